"""FD2, FD3, FD4: the disk under a worker's state is full, its files go, are cut or are old ones: no figure changes.

What lies there is a copy of the changelog that is made anew at each assignment, so a fault there can only end a worker.
"""

import asyncio
import multiprocessing
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import StoreError
from pipeline.worker import stores
from pipeline.worker.stores import Stores
from tests.broker.bench import Bench, run
from tests.faults.full_state_disk import KINDS, fill_the_disk_of_a_store, fill_the_disk_of_workers, kill


def in_a_process(function: Callable[..., None], *arguments: object) -> None:
    """Call it in a process of its own, whose mounts end with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(function, *arguments).result()


def test_a_store_whose_disk_is_full_says_so_and_takes_no_more(tmp_path: Path) -> None:
    in_a_process(fill_the_disk_of_a_store, tmp_path / "disk")


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
    in_a_process(fill_the_disk_of_workers, brokers, prefix, tmp_path)


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
        assert len(_stores(kept)) == 8
        await bench.feed(2, 500)
        await kill(*pair)
        _damage(data)
        pair = [bench.start(kind) for kind in KINDS]
        await bench.all_equal()
        await kill(*pair)
        await bench.feed(3, 500)
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        pair = [bench.start(kind) for kind in KINDS]
        await bench.all_equal()
        assert not _stores(kept) & _stores(data)
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


def _stores(data: Path) -> set[Path]:
    """A file of each store below the folder."""
    return {path.relative_to(data) for path in data.glob("*/*/*/CURRENT")}


def _damage(data: Path) -> None:
    """Delete every other file, and cut the rest in half."""
    for number, file in enumerate(sorted(path for path in data.rglob("*") if path.is_file())):
        if number % 2:
            os.truncate(file, file.stat().st_size // 2)
        else:
            file.unlink()
