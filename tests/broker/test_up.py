"""``footfall up`` as a process: what it hands on, who may use its folder, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline.processes import page
from pipeline.settings.settings import load_settings
from pipeline.stack import noted_workers

pytestmark = pytest.mark.broker
DEADLINE = 120.0
GIVEN = {
    "STORE": "rocksdb",
    "PARTITIONS": "2",
    "TOPIC_PREFIX": "other",
    "RECORD_DUPLICATES": "true",
    "GRACE_HOUR": "PT2H",
    "MAX_SERIES": "7",
    "EMIT_INTERVAL": "PT3S",
}


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    return kept | {f"FOOTFALL_{name}": value for name, value in settings.items()}


def up(log: Path, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-c", "from pipeline.cli import main; main()", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment(**settings),
            cwd=log.parent,
        )


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    """The process; at the end it and all that it started are gone, whatever happened."""
    seen = psutil.Process(process.pid)
    try:
        yield seen
    finally:
        left = seen.children(recursive=True) if seen.is_running() else []
        for each in [*left, seen]:
            if each.is_running():
                each.kill()
        process.wait()
        psutil.wait_procs(left, timeout=30)


def until(condition: Callable[[], object], log: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def told(log: Path) -> bool:
    return "Ctrl-C stops" in log.read_text()


def test_a_folder_has_one_up_at_a_time_whatever_its_name_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    data = tmp_path / "größe, a=b [x] #1"
    log, second = tmp_path / "first.log", tmp_path / "second.log"
    given = {"DATA_DIR": str(data), **GIVEN}
    first = up(log, **given)
    with ended(first) as seen:
        until(lambda: told(log), log, first)
        children = seen.children(recursive=True)
        workers = [each for each in children if "worker" in each.cmdline()]
        assert len(workers) == 2
        deciding = load_settings(grace_hour="PT2H", max_series=7, partitions=2).digest().split("-")[0]
        for kind in ("anonymize", "aggregate"):
            said = (data / "up" / "logs" / f"{kind}.log").read_text("utf-8")
            assert f'"digest": "{deciding}-' in said
        assert [each.name for each in sorted((data / "up" / "data" / "anonymize").iterdir())] == ["0", "1"]
        for _ in range(3):
            refused = up(second, **given)
            assert refused.wait(30) == 2
            (line,) = second.read_text().splitlines()
            assert line.startswith(f"footfall: footfall up runs already on the folder {data / 'up'}")
            assert f"(process {first.pid})" in line
        brokers = next(line.split()[1] for line in log.read_text().splitlines() if line.startswith("broker"))
        noted = noted_workers(data / "up", brokers)
        assert [page(address, "/readyz")[0] for address in noted] == [200, 200]
        assert not noted_workers(data / "up", "127.0.0.1:1")
        first.send_signal(signal.SIGKILL)
        assert not psutil.wait_procs(children, timeout=30)[1]
    assert not noted_workers(data / "up", brokers)
    again = up(log, **given)
    with ended(again) as seen:
        until(lambda: told(log), log, again)
        children = seen.children(recursive=True)
        again.send_signal(signal.SIGTERM)
        assert again.wait(40) == 0
        assert not psutil.wait_procs(children, timeout=5)[1]


def test_it_goes_on_under_other_settings_only_where_it_is_told_to(tmp_path: Path) -> None:
    log, changed = tmp_path / "up.log", {"GRACE_HOUR": "PT2H"}
    given = {"DATA_DIR": str(tmp_path / "data"), "PARTITIONS": "2"}

    def runs(*arguments: str, **more: str) -> None:
        process = up(log, *arguments, **(given | more))
        with ended(process):
            until(lambda: told(log), log, process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    runs()
    refused = up(log, **(given | changed))
    with ended(refused):
        assert refused.wait(DEADLINE) == 2
        assert "footfall up --announce" in log.read_text().splitlines()[-1]
    runs("--announce", **changed)
    runs(**changed)
