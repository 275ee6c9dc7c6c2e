"""Workers that kill themselves at one of the points of :mod:`pipeline.worker.failpoints`."""

import os
from pathlib import Path

from pipeline.worker.failpoints import FAILPOINTS

__all__ = ["killed_at"]

_ROOT = Path(__file__).parents[2]


def killed_at(point: str) -> dict[str, str]:
    """Variables of a worker that kills itself at ``NAME``, or the COUNT-th time at ``NAME:COUNT``."""
    name, _, count = point.partition(":")
    if name not in FAILPOINTS or not (count or "1").isdigit():
        raise ValueError(f"{point} is no point: use one of {', '.join(FAILPOINTS)}, or NAME:COUNT")
    folders = os.pathsep.join(map(str, (_ROOT / "tests" / "faults" / "killing", _ROOT)))
    return {"PYTHONPATH": folders, "KILL_AT": point}
