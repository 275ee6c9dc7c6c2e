"""What every trouble is, and how it picks its victim."""

import random
from collections.abc import Awaitable, Callable

from pipeline.processes import WorkerProcess
from tests.faults.rig import Place, Rig

__all__ = ["SESSION_SECONDS", "Trouble", "any_kind", "any_worker"]

Trouble = Callable[[Rig, random.Random], Awaitable[None]]
"""Over when it returns: what it took away is there again, whom it stopped goes on."""
SESSION_SECONDS = 6
"""The session timeout of the workers of :class:`tests.broker.bench.Bench`."""


async def any_worker(rig: Rig, choose: random.Random) -> tuple[Place, WorkerProcess] | None:
    """One that is at work, else one that runs, with its place; None where none runs at the moment."""
    found = await rig.at_work() or [place for place in rig.places if place.running]
    place = choose.choice(found) if found else None
    return None if place is None or place.worker is None else (place, place.worker)


def any_kind(choose: random.Random) -> str:
    """A kind of worker."""
    return choose.choice(["anonymize", "aggregate"])
