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
from typing import NamedTuple

from tests.faults.mixes import MixResult, run_mix

__all__ = ["Ran", "run_all", "run_one"]

_MIX_SECONDS = 1200


class Ran(NamedTuple):
    """A mix that was run: what went wrong at length, and the folder that is kept then."""

    result: MixResult
    folder: Path
    told: str


def run_one(result: MixResult, at_work: float) -> Ran:
    """Run a mix that was drawn; ``at_work`` as in :func:`run_mix`."""
    folder, told = Path(tempfile.mkdtemp(prefix=f"footfall-mix-{result.seed}-")), ""
    began = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(run_mix(result, folder, at_work=at_work), _MIX_SECONDS))
    except Exception:
        told = traceback.format_exc().strip()
        result.error = told.splitlines()[-1][:200]
    else:
        shutil.rmtree(folder, ignore_errors=True)
    result.seconds = round(time.monotonic() - began, 1)
    return Ran(result, folder, told)


def run_all(mixes: Iterable[MixResult], jobs: int, at_work: float = 0.7) -> Iterator[Ran]:
    """As they end; each in a process of its own, since a broker ends with the thread that started it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = [pool.submit(run_one, mix, at_work) for mix in mixes]
        for done in as_completed(running):
            yield done.result()
