"""What every trouble is, and how it picks its victim."""

import random
from collections.abc import Awaitable, Callable

from tests.faults.rig import Place, Rig

__all__ = ["SESSION_SECONDS", "Trouble", "any_kind", "any_place"]

Trouble = Callable[[Rig, random.Random], Awaitable[None]]
"""Over when it returns: what it took away is there again, whom it stopped goes on."""
SESSION_SECONDS = 6
"""The session timeout of the workers of :class:`tests.broker.bench.Bench`."""


def any_place(rig: Rig, choose: random.Random) -> Place | None:
    """One where a worker runs at the moment."""
    running = [place for place in rig.places if place.running]
    return choose.choice(running) if running else None


def any_kind(choose: random.Random) -> str:
    """A kind of worker."""
    return choose.choice(["anonymize", "aggregate"])
