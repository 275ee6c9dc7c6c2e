"""FD2, FD3, FD4: the disk under a worker's state is full, its files go, are cut or are old ones: no figure changes.

What lies there is a copy of the changelog that is made anew at each assignment, so a fault there can only end a worker.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.processes import WorkerProcess
from pipeline.worker import stores
from pipeline.worker.stores import RocksStore, StoreError, Stores
from tests.broker.bench import DEADLINE, Bench, run

KINDS = ("anonymize", "aggregate")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, which takes the right to mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def write_for_ever(store: RocksStore) -> None:
    while True:
        store.write((os.urandom(16), os.urandom(100)) for _ in range(1000))


def test_a_store_whose_disk_is_full_says_so_and_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_BUFFER_BYTES", 64 << 10)
    with small_disk(tmp_path / "disk", "2m") as disk:
        store = Stores(disk, "test").open(0)
        with pytest.raises(StoreError, match=r"no space left|cannot be"):
            write_for_ever(store)
        filler = fill(disk)
        with pytest.raises(StoreError, match=r"no state folder|no space left|reading or writing"):
            Stores(disk, "test").open(1)
        filler.unlink()
        store.close()
        again = Stores(disk, "test").open(0)
        again.put(b"k", b"v")
        assert again.get(b"k") == b"v"
        again.close()


def test_a_damaged_file_is_told_and_never_read_as_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_BUFFER_BYTES", 64 << 10)
    store = Stores(tmp_path, "test").open(0)
    keys = [f"k{number:06}".encode() for number in range(20_000)]
    store.write((key, os.urandom(50)) for key in keys)
    store._db.flush()
    for file in store.folder.glob("*.sst"):
        content = bytearray(file.read_bytes())
        content[:-2000] = bytes(byte ^ 0x55 for byte in content[:-2000])
        file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        [store.get(key) for key in keys]
    store.close()


@pytest.mark.broker
@pytest.mark.requirement("T13")
def test_a_full_state_disk_ends_workers_and_the_figures_are_exact_once_there_is_space(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:

        async def scenario(bench: Bench) -> None:
            pair = [bench.start(kind) for kind in KINDS]
            await bench.feed(1, 1500)
            await bench.equal()
            fill(disk)
            await bench.feed(2, 500)
            await kill(*pair)
            for left in disk.glob("*/*/*"):  # what a start would remove, and so make room
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            filler = fill(disk)
            for kind in KINDS:
                doomed = bench.start(kind)
                assert await asyncio.to_thread(doomed.process.wait, DEADLINE) == 1
                assert '"error": "StoreError"' in doomed.log.read_text()
                assert "Traceback" not in doomed.log.read_text()
            filler.unlink()
            for kind in KINDS:
                bench.start(kind)
            await bench.all_equal()
            await bench.end_is_highest()

        asyncio.run(run(brokers, prefix, tmp_path / "workers", scenario, STORE="rocksdb", DATA_DIR=str(disk)))


@pytest.mark.broker
@pytest.mark.requirement("T13")
def test_state_files_deleted_cut_or_put_back_from_before_change_no_figure(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"

    async def scenario(bench: Bench) -> None:
        pair = [bench.start(kind) for kind in KINDS]
        await bench.feed(1, 1500)
        await bench.equal()
        shutil.copytree(data, kept)
        assert len([*kept.glob("*/*/*/CURRENT")]) == 8
        await bench.feed(2, 500)
        await kill(*pair)
        for number, file in enumerate(sorted(path for path in data.rglob("*") if path.is_file())):
            if number % 2:
                os.truncate(file, file.stat().st_size // 2)
            else:
                file.unlink()
        pair = [bench.start(kind) for kind in KINDS]
        await bench.all_equal()
        await kill(*pair)
        await bench.feed(3, 500)
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        pair = [bench.start(kind) for kind in KINDS]
        await bench.all_equal()
        assert not {path.relative_to(kept) for path in kept.glob("*/*/*/CURRENT")} & {
            path.relative_to(data) for path in data.glob("*/*/*/CURRENT")
        }
        assert {path.stat().st_mode & 0o777 for path in data.glob("*/*/*") if path.is_dir()} == {0o700}
        shutil.rmtree(data)  # under the workers' hands: they go on or end, and are exact afterwards
        await bench.feed(4, 500)
        await kill(*pair)
        pair = [bench.start(kind) for kind in KINDS]
        await bench.all_equal()
        await bench.end_is_highest()
        search = await bench.leaks()
        for file in data.rglob("*"):
            if file.is_file():
                search.look(str(file.relative_to(data)), file.read_bytes())
        assert not search.places
        assert [await worker.stop() for worker in pair] == [0, 0]
        assert not [path for path in data.rglob("*") if path.is_file()]

    asyncio.run(run(brokers, prefix, tmp_path / "workers", scenario, STORE="rocksdb", DATA_DIR=str(data)))


async def kill(*workers: WorkerProcess) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(worker.process.wait)
