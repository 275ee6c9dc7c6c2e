"""What tests of settings share: an environment without any."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No ``FOOTFALL_*`` variable, and a working folder without a settings file."""
    for name in list(os.environ):
        if name.upper().startswith("FOOTFALL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
