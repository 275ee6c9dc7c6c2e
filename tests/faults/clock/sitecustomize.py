"""Python runs this at its start where this folder is in PYTHONPATH: its clock is off by the seconds in a file.

The file is named by ``CLOCK_FILE`` and may change at any time. The monotonic clock is left alone, as a step of a
machine's clock leaves it.
"""

import os
import time
from pathlib import Path

_true_time, _true_time_ns = time.time, time.time_ns
_file = Path(os.environ["CLOCK_FILE"])


def _off() -> float:
    return float(_file.read_text() or 0)


time.time = lambda: _true_time() + _off()
time.time_ns = lambda: _true_time_ns() + int(_off() * 1e9)
