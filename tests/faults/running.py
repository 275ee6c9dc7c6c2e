"""Running many mixes, some side by side, each in a process and a folder of its own."""

import asyncio
import multiprocessing
import shutil
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.faults.mixes import MixResult, run_apart, run_mix

__all__ = ["Ran", "run_all", "run_groups", "run_one"]

Given = TypeVar("Given")
Came = TypeVar("Came")
_MIX_SECONDS, _FAULT_SECONDS = 1200, 150
"""For a mix, and for each further fault of a group."""


class Ran(NamedTuple):
    """A mix that was run: what went wrong at length, and the folder that is kept then."""

    result: MixResult
    folder: Path
    told: str


def run_one(result: MixResult, at_work: float = 0.7) -> Ran:
    """Run a mix that was drawn; ``at_work`` as in :func:`run_mix`."""
    return _run([result], lambda folder: run_mix(result, folder, at_work=at_work))[0]


def run_group(results: Sequence[MixResult]) -> list[Ran]:
    """Run faults as :func:`run_apart` does; those behind one that failed have its error."""
    return _run(results, lambda folder: run_apart(results, folder))


def _run(results: Sequence[MixResult], run: Callable[[Path], Awaitable[None]]) -> list[Ran]:
    folder, told = Path(tempfile.mkdtemp(prefix=f"footfall-mix-{results[0].seed}-")), ""
    began = time.monotonic()
    try:
        seconds = _MIX_SECONDS + _FAULT_SECONDS * (len(results) - 1)
        asyncio.run(asyncio.wait_for(run(folder), seconds))
    except Exception:
        told = traceback.format_exc().strip()
        for result in results:
            if not result.counted:
                result.error = told.splitlines()[-1][:200]
    else:
        shutil.rmtree(folder, ignore_errors=True)
    for result in results:
        result.seconds = round((time.monotonic() - began) / len(results), 1)
    return [Ran(result, folder, told) for result in results]


def run_all(mixes: Iterable[MixResult], jobs: int) -> Iterator[Ran]:
    """As they end."""
    return _each(run_one, mixes, jobs)


def run_groups(groups: Iterable[Sequence[MixResult]], jobs: int) -> Iterator[Ran]:
    """As :func:`run_all`, of groups that :func:`run_group` runs."""
    return chain.from_iterable(_each(run_group, groups, jobs))


def _each(run: Callable[[Given], Came], given: Iterable[Given], jobs: int) -> Iterator[Came]:
    """What came of each, in a process of its own, since a broker ends with the thread that started it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(run, each) for each in given]):
            yield done.result()
