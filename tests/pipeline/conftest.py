"""What tests of settings share, an environment without any; and what tests of a worker's lines share."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.worker import lines


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No ``FOOTFALL_*`` variable, and a working folder without a settings file."""
    for name in list(os.environ):
        if name.upper().startswith("FOOTFALL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, object]]]:
    """The lines on stdout since the last call, each read as JSON."""
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(lines.logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr(lines.logging, "captureWarnings", lambda _: None)
    lines.log_to_stdout()

    def read() -> list[dict[str, object]]:
        told = stdout.getvalue()
        stdout.seek(0)
        stdout.truncate()
        return [json.loads(line) for line in told.splitlines()]

    return read
