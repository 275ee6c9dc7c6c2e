"""A worker seen from outside: how it ended, by the last line that it said, and the pages of its metrics port."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.processes import WorkerProcess, page
from tests.web import answering


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


def test_a_page_is_asked_for_past_any_proxy_and_may_hold_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with answering(lambda path: (200 if path == "/readyz" else 503, b"\xff")) as address:
        assert page(address, "/readyz") == (200, "\N{REPLACEMENT CHARACTER}")
        assert page(address, "/metrics") == (503, "\N{REPLACEMENT CHARACTER}")
    assert page(address, "/readyz") == (0, "")
