"""Running many mixes, some side by side, each in a process and a folder of its own."""

import asyncio
import multiprocessing
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.faults.mixes import MixResult, draw_mix, run_mix

__all__ = ["run_all", "run_one"]

_MIX_SECONDS = 1200


def run_one(seed: int) -> tuple[MixResult, Path, str]:
    """The mix, its folder, and what went wrong at length."""
    folder = Path(tempfile.mkdtemp(prefix=f"footfall-mix-{seed}-"))
    result, told = draw_mix(seed), ""
    began = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(run_mix(result, folder), _MIX_SECONDS))
    except Exception:
        told = traceback.format_exc().strip()
        result.error = told.splitlines()[-1][:200]
    else:
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = round(time.monotonic() - began, 1)
    return result, folder, told


def run_all(seeds: Iterable[int], jobs: int) -> Iterator[tuple[MixResult, Path, str]]:
    """As they end; each in a process of its own, since a broker ends with the thread that started it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = [pool.submit(run_one, seed) for seed in seeds]
        for done in as_completed(running):
            yield done.result()
