"""The machines under workers and brokers: clocks, descriptors, disks."""

import asyncio
import contextlib
import os
import random
import resource
from pathlib import Path

import psutil

from tests.faults.rig import Rig
from tests.faults.troubles.choosing import any_worker, begun, said

__all__ = ["CLOCK", "clocks_stepped", "descriptors_run_out", "disk_full"]

_ROOT = Path(__file__).parents[3]
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
    await begun(rig, places)
    await asyncio.sleep(choose.uniform(1, 4))
    for file, off in zip(files, choose.choice([(-3600, 0), (0, 3600), (-86_400, 86_400)]), strict=True):
        file.write_text(str(off))
    await asyncio.sleep(choose.uniform(2, 5))
    for place in places:
        rig.proofs["another clock at work"] += said(place, '"event": "recovered"')
        await rig.leave(place)


async def descriptors_run_out(rig: Rig, choose: random.Random) -> None:
    """FP11: a worker may open no further file or connection, and loses those to the brokers."""
    found = await any_worker(rig, choose)
    if found is None or not said(found[0], '"event": "starting"'):  # a program that is being loaded can say nothing
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
