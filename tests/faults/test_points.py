"""A worker kills itself where a test says so, and nowhere else."""

import os
import signal
import subprocess
import sys

import pytest

from tests.faults.points import killed_at

RUN = """
from pipeline.worker.run import reached
for name in ("state", "commit", "state"):
    reached(name)
    print(name, flush=True)
"""


@pytest.mark.parametrize(
    ("point", "passed"),
    [("commit", ["state"]), ("state:2", ["state", "commit"]), ("mended", ["state", "commit", "state"])],
)
def test_it_dies_at_the_point(point: str, passed: list[str]) -> None:
    environment = os.environ | killed_at(point)
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == passed, done.stderr
    assert done.returncode == (0 if point == "mended" else -signal.SIGKILL)


@pytest.mark.parametrize("point", ["nowhere", "state:often", ""])
def test_a_point_that_is_none_is_refused(point: str) -> None:
    with pytest.raises(ValueError, match="is no point: use one of mending,"):
        killed_at(point)
