"""Workers are killed, stopped, paused; they join and leave; one wakes while its last words are still on their way."""

import asyncio
import random
import signal
from collections.abc import Callable

from pipeline.worker.failpoints import FAILPOINTS
from tests.faults.points import killed_at
from tests.faults.proxy import PRODUCE, Rules
from tests.faults.rig import Rig
from tests.faults.troubles.choosing import SESSION_SECONDS, any_kind, any_worker

__all__ = [
    "worker_killed",
    "worker_killed_at_a_point",
    "worker_paused",
    "worker_restarted",
    "workers_join_and_leave",
    "zombie_with_requests_in_flight",
]


async def worker_killed(rig: Rig, choose: random.Random) -> None:
    """FP1, FP7: ``kill -9``, which is also all that an OOM kill is."""
    if (found := await any_worker(rig, choose)) is not None:
        found[1].process.kill()


async def worker_killed_at_a_point(rig: Rig, choose: random.Random) -> None:
    """FP2 to FP5: ``kill -9`` at a named point, also of its recovery; one more worker that does not last."""
    place = rig.keep(any_kind(choose), first=killed_at(f"{choose.choice(FAILPOINTS)}:{choose.randint(1, 3)}"))
    await asyncio.sleep(choose.uniform(4, 8))
    await rig.leave(place)


async def worker_restarted(rig: Rig, choose: random.Random) -> None:
    """FP6: SIGTERM under load, one after the other."""
    kind = any_kind(choose)
    for place in [place for place in rig.places if place.kind == kind]:
        if place.running and place.worker is not None:
            place.worker.process.terminate()
            await asyncio.sleep(choose.uniform(0, 2))


async def worker_paused(rig: Rig, choose: random.Random) -> None:
    """FT1: SIGSTOP past the session timeout, another takes over, SIGCONT."""
    if (found := await any_worker(rig, choose)) is None:
        return
    place, process = found[0], found[1].process
    process.send_signal(signal.SIGSTOP)
    other = rig.keep(place.kind)
    await asyncio.sleep(SESSION_SECONDS * choose.uniform(0.5, 2))
    process.send_signal(signal.SIGCONT)
    await rig.leave(other)


async def zombie_with_requests_in_flight(rig: Rig, choose: random.Random) -> None:
    """FT1: as above, its produce requests held up meanwhile; they arrive when another has taken over, then it wakes."""
    if (found := await any_worker(rig, choose)) is None:
        return
    place, process, held = found[0], found[1].process, rig.done["held"]
    rig.rule(Rules(frozenset({process.pid}), hold=PRODUCE))
    try:
        await _until(lambda: rig.done["held"] > held or process.poll() is not None, SESSION_SECONDS)
        process.send_signal(signal.SIGSTOP)
        other = rig.keep(place.kind)
        await asyncio.sleep(SESSION_SECONDS * choose.uniform(1.5, 2.5))
    finally:
        rig.rule()
    await asyncio.sleep(choose.uniform(0, 2))
    process.send_signal(signal.SIGCONT)
    await rig.leave(other)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until and not condition():
        await asyncio.sleep(0.02)


async def workers_join_and_leave(rig: Rig, choose: random.Random) -> None:
    """FR1, FR2: a burst of rebalances."""
    for _ in range(choose.randint(1, 3)):
        place = rig.keep(any_kind(choose))
        await asyncio.sleep(choose.uniform(0.5, 4))
        await rig.leave(place)
