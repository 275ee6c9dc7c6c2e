"""Fetched record batches handed over whole: the records of each where they lie, not an object for each.

The client makes five objects of every record that it hands over; for the compiled fold it need make none. What is not a
simple batch (of a transaction, a marker, an old format) is read by the client's own code, record by record.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from struct import Struct
from types import MethodType
from typing import Any, Final

import google_crc32c
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from agents.core.native import Records
from agents.core.records import RawRecord
from pipeline.substituting import looking_up

__all__ = ["Fetched", "hand_over_blocks", "joined"]

# Base offset, length, leader epoch, format, CRC, attributes, last offset delta, base time, greatest time, producer and
# its epoch, base sequence, count; see "Record Batch" in Kafka's description of its message format.
_HEADER: Final = Struct(">qiibIhiqqqhii")
_LENGTH: Final = Struct(">qi")
_CRC_FROM: Final = 21
_FORMAT: Final = 2
_COMPRESSION, _APPEND_TIME, _TRANSACTION, _CONTROL = 0x07, 0x08, 0x10, 0x20
_DECODERS: Final[dict[int, Callable[[memoryview], bytes]]] = {
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}


Fetched = tuple[bytes, int, int, int, int, int, int] | list[Any]
"""The records of one batch as ``Records`` takes them, or a list of those that the client read, one by one."""


class _Batches:
    """The whole batches of a fetch; in place of the client's ``MemoryRecords``, with what its fetcher asks of that."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def __iter__(self) -> Iterator[memoryview]:
        at = 0
        while (end := self._end(at)) is not None:
            yield self._data[at:end]
            at = end

    def _end(self, at: int) -> int | None:
        """Where the batch that begins at ``at`` ends, None where it is not whole."""
        if len(self._data) - at < _HEADER.size:
            return None
        end: int = at + _LENGTH.size + _LENGTH.unpack_from(self._data, at)[1]
        return end if at + _LENGTH.size < end <= len(self._data) else None

    def has_next(self) -> bool:
        """Whether there is a whole batch."""
        return self._end(0) is not None

    def size_in_bytes(self) -> int:
        """Of all that was fetched."""
        return len(self._data)


class _BlockRecords(PartitionRecords):  # type: ignore[misc]
    """What a fetch brought of one partition; yields blocks."""

    _records: Any
    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Fetched]:
        return filter(None, map(self._block, self._records))

    def _block(self, batch: memoryview) -> Fetched:
        base, _, _, form, crc, attributes, last, base_time, greatest, *_, count = _HEADER.unpack_from(batch)
        codec = attributes & _COMPRESSION
        if form != _FORMAT or (codec and codec not in _DECODERS) or attributes & (_TRANSACTION | _CONTROL):
            return self._read(batch)
        data, begin = bytes(batch[_CRC_FROM:]), _HEADER.size - _CRC_FROM
        if self._check_crcs and google_crc32c.value(data) != crc:
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        append_time = greatest if attributes & _APPEND_TIME else -1
        least, self.next_fetch_offset = self.next_fetch_offset, base + last + 1
        if codec:
            data, begin = _DECODERS[codec](memoryview(data)[begin:]), 0
        return data, begin, base, base_time, append_time, count, least

    def _read(self, batch: memoryview) -> list[Any]:
        """By the client's own code, which also keeps account of transactions."""
        whole, self._records = self._records, MemoryRecords(bytes(batch))
        try:
            return list(super()._unpack_records())
        finally:
            self._records = whole


def hand_over_blocks(fetcher: Any) -> None:
    """Have a fetcher that has fetched nothing yet hand over :data:`Fetched`; see :func:`joined`.

    Its method finds two other classes (:mod:`pipeline.substituting`).
    """
    classes = {"MemoryRecords": _Batches, "PartitionRecords": _BlockRecords}
    ours = looking_up(type(fetcher)._proc_fetch_request, classes)  # noqa: SLF001 - see above
    fetcher._proc_fetch_request = MethodType(ours, fetcher)  # noqa: SLF001


def joined(blocks: list[Fetched]) -> list[Any]:
    """The records of fetched blocks in their order: ``Records``, and lists of the client's records in between.

    Raises :class:`aiokafka.errors.CorruptRecordException` where a batch does not hold what it says.
    """
    found: list[Any] = []
    for kind, group in groupby(blocks, type):
        if kind is list:
            found += group
            continue
        try:
            records = Records([each for each in group if isinstance(each, tuple)], RawRecord)
        except ValueError as error:
            raise CorruptRecordException(str(error)) from None
        found += [records] if len(records) else []
    return found
