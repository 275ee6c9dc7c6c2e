"""State on this machine's disk: a RocksDB for each assignment of a partition, where ``FOOTFALL_STORE`` asks for it.

It is a copy of what the changelog says and nothing else: made empty at an assignment, filled by recovery, removed at
revocation, and never read by anybody else. So a lost, damaged or old folder means nothing, and nothing is synced.

A folder ``DATA_DIR/KIND/PARTITION/NAME`` is its process's own, which holds a lock on ``NAME.lock`` beside it for as
long as it lives; whoever starts removes what nobody holds.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from pipeline.errors import StartupError, StoreError
from pipeline.folders import writable

__all__ = ["RocksStore", "Stores"]

_CACHE_BYTES: Final = 64 << 20
"""Of blocks, indexes and filters that all stores of a worker hold in memory together."""
_UNWRITTEN_BYTES: Final = 64 << 20
"""Of what all stores of a worker have not written out yet, a part of the above not counted."""
_BUFFER_BYTES: Final = 16 << 20
_FILTER_BITS: Final = 10
"""A key: one lookup in a hundred of a key that is not there reads the disk."""
_STALL_SECONDS: Final = 20.0
_PRIVATE: Final = 0o700
_DO: Final = "mend that, set FOOTFALL_DATA_DIR to a folder of this user's, or FOOTFALL_STORE to memory"


class Stores:
    """The stores of one worker process; they share what they hold in memory."""

    def __init__(self, data_dir: Path, kind: str) -> None:
        self._root = data_dir.resolve() / kind
        self._cache = Cache(_CACHE_BYTES)
        self._unwritten = WriteBufferManager(_UNWRITTEN_BYTES, allow_stall=False)

    def remove_stale(self) -> int:
        """Remove what processes that are gone left; how many folders. StartupError where the folder is unusable."""
        writable(self._root, _DO, _PRIVATE)
        try:
            return sum([_removed(lock) for lock in sorted(self._root.glob("*/*.lock"))])
        except OSError as error:
            raise StartupError(f"the folder {self._root} cannot be used ({error.strerror})", _DO) from None

    def open(self, partition: int) -> "RocksStore":
        """An empty store for one assignment; raises StoreError."""
        parent = self._root / str(partition)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        try:
            parent.mkdir(_PRIVATE, parents=True, exist_ok=True)
            begun = parent / f"{name}.new"  # under this name nobody takes it for stale before it is locked
            lock = os.open(begun, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun.rename(begun.with_suffix(".lock"))
            (parent / name).mkdir(_PRIVATE)
        except OSError as error:
            raise StoreError(f"no state folder can be made in {parent}: {error.strerror}") from None
        return RocksStore(parent / name, lock, self._options())

    def _options(self) -> Options:
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(_FILTER_BITS, block_based=False)
        # Indexes and filters in small blocks, which go through the cache: else they grow with the state, in memory.
        table.set_index_type(BlockBasedIndexType.two_level_index_search())
        table.set_partition_filters(True)
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_top_level_index_and_filter(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_error_if_exists(True)
        options.set_block_based_table_factory(table)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_write_buffer_size(_BUFFER_BYTES)
        options.set_write_buffer_manager(self._unwritten)
        options.set_max_open_files(128)
        options.set_keep_log_file_num(1)
        return options


class RocksStore:
    """One assignment's state, see :class:`agents.core.shared.store.Store`; every method raises StoreError."""

    def __init__(self, folder: Path, lock: int, options: Options) -> None:
        self.folder = folder
        self._lock = lock
        unlogged = WriteOptions()
        # Both are properties. The changelog is the log; and a write that would wait is refused, see _stalled.
        unlogged.disable_wal = True  # type: ignore[method-assign, assignment]
        unlogged.no_slowdown = True
        try:
            self._db = Rdict(str(folder), options)
            self._db.set_write_options(unlogged)
        except Exception as error:  # noqa: BLE001 - the library has no type of its own for it
            _fail(folder, error)

    def get(self, key: bytes, /) -> bytes | None:
        """See :class:`agents.core.shared.store.Store`."""
        try:
            found: bytes | None = self._db.get(key)
        except Exception as error:  # noqa: BLE001
            _fail(self.folder, error)
        return found

    def put(self, key: bytes, value: bytes, /) -> None:
        """See :class:`agents.core.shared.store.Store`."""
        try:
            self._db.put(key, value)
        except Exception as error:  # noqa: BLE001
            self._again(lambda: self._db.put(key, value), error)

    def delete(self, key: bytes, /) -> None:
        """See :class:`agents.core.shared.store.Store`."""
        try:
            self._db.delete(key)
        except Exception as error:  # noqa: BLE001
            self._again(lambda: self._db.delete(key), error)

    def write(self, changes: Iterable[tuple[bytes, bytes | None]], /) -> None:
        """See :class:`agents.core.shared.store.Store`."""
        given = list(changes)
        try:
            self._db.write(_batch(given))
        except Exception as error:  # noqa: BLE001
            self._again(lambda: self._db.write(_batch(given)), error)

    def _again(self, write: Callable[[], None], error: Exception) -> None:
        """Once more a write that found the disk behind, until it is through; raises StoreError where it never will."""
        until = time.monotonic() + _STALL_SECONDS
        while True:
            if not _stalled(error) or self._db.property_int_value("rocksdb.background-errors"):
                _fail(self.folder, error)
            if time.monotonic() > until:
                raise StoreError(f"the state store in {self.folder}: the disk takes nothing any more") from None
            time.sleep(0.005)
            try:
                write()
            except Exception as again:  # noqa: BLE001
                error = again
            else:
                return

    def scan(self, prefix: bytes, after: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`agents.core.shared.store.Store`."""
        bounded = ReadOptions()
        if (end := _behind(prefix)) is not None:
            bounded.set_iterate_upper_bound(end)
        begin = prefix if after is None or after < prefix else after + b"\0"
        try:
            yield from self._db.items(from_key=begin, read_opt=bounded)
        except Exception as error:  # noqa: BLE001
            _fail(self.folder, error)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`agents.core.shared.store.Store`."""
        return self.scan(b"")

    def close(self) -> None:
        """Remove it; nothing may be asked of it afterwards. The disk's faults no longer matter here.

        Once it is removed this does nothing: the number of its lock's file may be another's by then.
        """
        if self._lock < 0:
            return
        with contextlib.suppress(Exception):  # what could not be written is dropped anyway
            self._db.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name(f"{self.folder.name}.lock").unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1


def _batch(changes: Iterable[tuple[bytes, bytes | None]]) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    for key, value in changes:
        if value is None:
            batch.delete(key)
        else:
            batch.put(key, value)
    return batch


def _stalled(error: Exception) -> bool:
    """Whether the write was refused because more is unwritten than may be: left to itself it would wait for ever."""
    return "Write stall" in str(error)


def _fail(folder: Path, error: Exception) -> NoReturn:
    """Say what went wrong in our own words: the library's may hold keys."""
    text = str(error)
    known = {
        "No space left": "no space left on the disk",
        "Corruption": "a file there is damaged",
        "Write stall": "what is to be written cannot be",
    }
    what = next((meaning for begins, meaning in known.items() if begins in text), "reading or writing failed")
    raise StoreError(f"the state store in {folder}: {what}") from None


def _behind(prefix: bytes) -> bytes | None:
    """The least key behind all that begin with ``prefix``, None where there is none."""
    whole = prefix.rstrip(b"\xff")
    return whole[:-1] + bytes([whole[-1] + 1]) if whole else None


def _removed(lock: Path) -> bool:
    """Remove the folder of a lock that nobody holds; whether it was so."""
    try:
        held = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
        return True
    finally:
        os.close(held)
