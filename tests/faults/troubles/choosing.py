"""What every trouble is, how it picks its victim, and what it sees of it."""

import random
from collections.abc import Awaitable, Callable, Sequence

from pipeline.processes import WorkerProcess
from tests.faults.rig import Place, Rig

__all__ = ["SESSION_SECONDS", "Trouble", "any_kind", "any_worker", "begun", "said"]

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


async def begun(rig: Rig, places: Sequence[Place]) -> None:
    """Until the workers there have had partitions of their own, or were refused; fails at the deadline."""

    async def all_begun() -> bool:
        return all(said(place, '"event": "recovered"', "footfall: ") for place in places)

    await rig.bench.until(all_begun)


def said(place: Place, *words: str) -> bool:
    """Whether any of the words is in the log of the worker that is there now."""
    said = place.worker.log.read_text(errors="replace") if place.worker is not None else ""
    return any(each in said for each in words)
