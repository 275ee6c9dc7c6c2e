"""What is tried on a full state disk, for processes of their own: what such a one mounts ends with it."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.processes import WorkerProcess
from pipeline.worker import stores
from pipeline.worker.stores import RocksStore, Stores
from tests.broker.bench import DEADLINE, Bench, run
from tests.faults.disks import mount_small_disks

__all__ = ["KINDS", "fill_the_disk_of_a_store", "fill_the_disk_of_workers", "kill"]

KINDS = ("anonymize", "aggregate")


def _fill(disk: Path) -> Path:
    """Take all the space that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def _write_for_ever(store: RocksStore) -> None:
    while True:
        store.write((os.urandom(16), os.urandom(100)) for _ in range(1000))


def fill_the_disk_of_a_store(disk: Path) -> None:
    mount_small_disks([disk], "2m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_BUFFER_BYTES", 64 << 10)
        store = Stores(disk, "test").open(0)
        with pytest.raises(StoreError, match=r"no space left|cannot be"):
            _write_for_ever(store)
        store.close()  # what it does beside us may still give space back
        filler = _fill(disk)
        with pytest.raises(StoreError, match=r"no state folder|no space left|reading or writing"):
            Stores(disk, "test").open(1)
        filler.unlink()
        again = Stores(disk, "test").open(0)
        again.put(b"k", b"v")
        assert again.get(b"k") == b"v"
        again.close()


def fill_the_disk_of_workers(brokers: str, prefix: str, folder: Path) -> None:
    disk = folder / "disk"
    mount_small_disks([disk], "8m")

    async def scenario(bench: Bench) -> None:
        pair = [bench.start(kind) for kind in KINDS]
        await bench.feed(1, 1500)
        await bench.equal()
        _fill(disk)
        await bench.feed(2, 500)
        await kill(*pair)
        for left in disk.glob("*/*/*"):  # what a start would remove, and so make room
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        filler = _fill(disk)
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

    asyncio.run(run(brokers, prefix, folder / "workers", scenario, STORE="rocksdb", DATA_DIR=str(disk)))


async def kill(*workers: WorkerProcess) -> None:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(worker.process.wait)
