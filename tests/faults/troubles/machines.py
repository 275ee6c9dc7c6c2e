"""The machines under workers and brokers: clocks, descriptors, disks, the release that is installed."""

import asyncio
import contextlib
import os
import random
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from tests.faults.rig import Place, Rig
from tests.faults.troubles.choosing import any_worker

__all__ = [
    "CLOCK",
    "NoHistoryError",
    "clocks_stepped",
    "descriptors_run_out",
    "disk_full",
    "previous_release",
    "releases_side_by_side",
]

_ROOT = Path(__file__).parents[3]
_CODE = ("agents", "pipeline", "schemas")
CLOCK = _ROOT / "tests" / "faults" / "clock"


async def clocks_stepped(rig: Rig, choose: random.Random) -> None:
    """FC1: two more workers whose clocks disagree by two hours, and then step, one of them backwards."""
    files, places = [], []
    for number, off in enumerate((3600, -3600)):
        files.append(rig.bench.folder / f"clock-{len(rig.places)}-{number}")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        files[-1].write_text(str(off))
        variables = {"PYTHONPATH": f"{CLOCK}{os.pathsep}{_ROOT}", "CLOCK_FILE": str(files[-1])}
        places.append(rig.keep(choose.choice(["anonymize", "anonymize", "aggregate"]), variables=variables))
    await _at_work(rig, places)
    await asyncio.sleep(choose.uniform(1, 4))
    for file, off in zip(files, choose.choice([(-3600, 0), (0, 3600), (-86_400, 86_400)]), strict=True):
        file.write_text(str(off))
    await asyncio.sleep(choose.uniform(2, 5))
    for place in places:
        rig.proofs["another clock at work"] += _said(place, '"event": "recovered"')
        await rig.leave(place)


async def _at_work(rig: Rig, places: list[Place]) -> None:
    """Until the workers there have had partitions of their own, or were refused; fails at the deadline."""

    async def begun() -> bool:
        return all(_said(place, '"event": "recovered"', "footfall: ") for place in places)

    await rig.bench.until(begun)


def _said(place: Place, *words: str) -> bool:
    """Whether any of the words is in the log of the worker that is there now."""
    said = place.worker.log.read_text(errors="replace") if place.worker is not None else ""
    return any(each in said for each in words)


async def descriptors_run_out(rig: Rig, choose: random.Random) -> None:
    """FP11: a worker may open no further file or connection, and loses those to the brokers."""
    found = await any_worker(rig, choose)
    if found is None or not _said(found[0], '"event": "starting"'):  # a program that is being loaded can say nothing
        return
    pid = found[1].process.pid
    with contextlib.suppress(ProcessLookupError, psutil.Error):  # it may end at any moment
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (psutil.Process(pid).num_fds() // 2, usual[1]))
        for proxy in rig.proxies:
            proxy.reset(pid)
        await asyncio.sleep(choose.uniform(2, 8))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)


async def disk_full(rig: Rig, choose: random.Random) -> None:
    """FD1: a broker's disk fills up while it writes, it ends; then there is room again, and it is started."""
    node = choose.choice(rig.nodes)
    filler = node.folder / "data" / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 20)):
            pass

    async def ended() -> bool:
        return not node.running

    await rig.bench.until(ended)
    rig.proofs["disk full"] += "No space left" in node.log.read_text(errors="replace")
    filler.unlink()
    await node.stop_async()
    await asyncio.sleep(choose.uniform(0, 5))
    await node.start_async()


class NoHistoryError(Exception):
    """This checkout has no history, so there is no previous release of the code."""


async def releases_side_by_side(rig: Rig, choose: random.Random) -> None:
    """FU1, FU2, FU3: workers of the previous release of the code join those of this one, and leave again."""
    folder = Path(tempfile.mkdtemp(prefix="footfall-release-"))
    try:
        previous_release(folder)
        variables = {"PYTHONPATH": str(folder)}
        kinds = choose.choice([("anonymize",), ("aggregate",), ("anonymize", "aggregate")])
        places = [rig.keep(kind, variables=variables) for kind in kinds]
        await _at_work(rig, places)
        await asyncio.sleep(choose.uniform(2, 6))
        for place in places:
            rig.proofs["previous release at work"] += _said(place, '"event": "recovered"')
            rig.proofs["previous release refused"] += _said(place, "fold digest in force")
            await rig.leave(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def previous_release(folder: Path) -> str:
    """Unpack the code as it was before the last commit that changed it; that commit. Raises NoHistoryError."""
    try:
        last = _git("log", "-1", "--format=%H", "--", *_CODE).decode().strip()
        packed = _git("archive", f"{last}^", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        raise NoHistoryError from None
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return last


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, check=True).stdout
