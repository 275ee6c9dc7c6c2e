"""Python runs this at its start where this folder is in PYTHONPATH: a worker kills itself at a point.

``KILL_AT`` names the point, as ``NAME`` or ``NAME:COUNT``: the worker dies, as by ``kill -9``, the COUNT-th time that
it gets there. :func:`tests.faults.points.killed_at` makes both variables.
"""

import os
import signal
from collections import Counter

from pipeline.worker import failpoints

_wanted, _, _count = os.environ["KILL_AT"].partition(":")
_reached = Counter[str]()


def _kill(name: str) -> None:
    _reached[name] += 1
    if name == _wanted and _reached[name] >= int(_count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)


failpoints.reached = _kill
