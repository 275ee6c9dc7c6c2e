"""Points of a worker's way at which a test kills it, as ``kill -9`` does: nothing happens unless a test asks for it."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Final

from pipeline.errors import Refused

__all__ = ["FAILPOINTS", "failpoint"]

FAILPOINTS: Final = (
    "mending",
    "mended",
    "outputs",
    "outputs-written",
    "corrections",
    "corrections-written",
    "state",
    "state-written",
    "emission",
    "emission-drawn",
    "emission-written",
    "commit",
    "committed",
)
"""Before and after each step that a crash could fall beside, in the order of a worker's life."""


def failpoint(setting: str | None) -> Callable[[str], None]:
    """What is called at every point: ``NAME`` or ``NAME:COUNT`` kills the process when it gets there that often."""
    if setting is None:
        return lambda _name: None
    wanted, _, count = setting.partition(":")
    if wanted not in FAILPOINTS or not (count or "1").isdigit():
        raise Refused(f"FOOTFALL_FAILPOINT knows no {wanted}", "unset it: it is for tests alone")
    passed: Counter[str] = Counter()

    def at(name: str) -> None:
        passed[name] += 1
        if name == wanted and passed[name] >= int(count or "1"):
            os.kill(os.getpid(), signal.SIGKILL)

    return at
