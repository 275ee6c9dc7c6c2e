"""``footfall up`` on a folder that was begun under other settings: refused, announced, gone on with."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.broker
_SECONDS = 240


@contextmanager
def up(folder: Path, *arguments: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """The program as a user starts it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    given = {"DATA_DIR": str(folder), "PARTITIONS": "2"} | more
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from pipeline.cli import main; main()", "up", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kept | {f"FOOTFALL_{name}": value for name, value in given.items()} | {"COLUMNS": "200"},
    )
    watch = threading.Timer(_SECONDS, process.kill)
    watch.start()
    try:
        yield process
    finally:
        watch.cancel()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_SECONDS)


def exported(process: "subprocess.Popen[str]") -> dict[str, str]:
    """The settings that it says to export; "" where it ended before."""
    line = next((line for line in process.stdout or () if "export " in line), "")
    return dict(re.findall(r"(FOOTFALL_\w+)=(\S+)", line))


@pytest.mark.timeout(1200)
def test_up_goes_on_under_other_settings_only_where_it_is_told_to(brokers: str, tmp_path: Path) -> None:
    assert brokers  # its jars are there
    with up(tmp_path) as process:
        told = exported(process)
        assert set(told) == {"FOOTFALL_BROKERS", "FOOTFALL_PSEUDONYM_KEY_FILE", "FOOTFALL_CONTROL_KEY_FILE"}
        keys = [Path(told[f"FOOTFALL_{name}_KEY_FILE"]) for name in ("PSEUDONYM", "CONTROL")]
        assert keys[0].read_text() != keys[1].read_text()
        assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    with up(tmp_path, GRACE_HOUR="PT2H") as process:
        _, said = process.communicate(timeout=_SECONDS)
        assert process.returncode == 2
        assert "footfall up --announce" in said.splitlines()[-1]
    with up(tmp_path, "--announce", GRACE_HOUR="PT2H") as process:
        assert exported(process)
    with up(tmp_path, GRACE_HOUR="PT2H") as process:
        assert exported(process)
