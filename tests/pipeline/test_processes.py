"""How a worker that ended is told of: by the last line that it said."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.processes import WorkerProcess


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "{}\nfootfall: the metrics port 1 of h is taken: set another\n",
            "worker anonymize was refused: the metrics port 1 of h is taken: set another",
        ),
        (
            '{"event": "ended", "what": "the brokers went away", "do": "look at them"}\n',
            "worker anonymize ended: the brokers went away: look at them; its log is LOG",
        ),
        ("Killed\n", "worker anonymize ended with exit code 3: read its log, LOG"),
        ('{"event": "assigned"}\n', "worker anonymize ended with exit code 3: read its log, LOG"),
        ("[1]\n", "worker anonymize ended with exit code 3: read its log, LOG"),
        ("", "worker anonymize ended with exit code 3: read its log, LOG"),
    ],
)
def test_the_last_line_says_how_it_ended(tmp_path: Path, said: str, told: str) -> None:
    log = tmp_path / "log"
    log.write_text(said)
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    assert str(WorkerProcess("anonymize", process, log, "h:1").ended()) == told.replace("LOG", str(log))
