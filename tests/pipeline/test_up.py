"""What ``footfall up`` and ``demo`` refuse before anything is started: one line on stderr, exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.folders import held, is_held, kept_secret, writable


def refused(folder: Path, command: str = "up", **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *command.split()],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=kept | variables,
        cwd=folder,
        timeout=60,
    )
    assert done.returncode == 2, (done.stdout, done.stderr)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("footfall: ")
    return line


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/1/none", "/sys/none"])
def test_a_data_folder_that_cannot_be_used_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    line = refused(tmp_path, FOOTFALL_DATA_DIR=folder)
    assert folder in line
    assert "FOOTFALL_DATA_DIR" in line


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REPLICATION", "3", "one broker"),
        ("METRICS_PORT", "65535", "second worker"),
        ("PSEUDONYM_KEY", "x", "holds no key"),
        ("PSEUDONYM_KEY_FILE", "none", "cannot be read"),
    ],
)
@pytest.mark.parametrize("command", ["up", "demo"])
def test_settings_that_a_stack_cannot_have_are_refused(
    tmp_path: Path, name: str, value: str, said: str, command: str
) -> None:
    line = refused(tmp_path, command, **{f"FOOTFALL_{name}": value})
    assert f"FOOTFALL_{name}" in line
    assert said in line


@pytest.mark.parametrize(
    ("more", "variables", "said"),
    [
        (" --broker container", {}, "--broker container"),
        (" --broker container", {"FOOTFALL_BROKERS": "kafka:9092"}, "--broker container"),
        ("", {"FOOTFALL_BROKERS": "kafka:9092"}, "FOOTFALL_BROKERS is set: unset that, or add --broker embedded"),
    ],
)
def test_logins_are_of_the_embedded_broker_alone(
    tmp_path: Path, more: str, variables: dict[str, str], said: str
) -> None:
    line = refused(tmp_path, f"up --secure{more}", **variables)
    assert line.startswith("footfall: --secure ")
    assert said in line
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    assert "none/x.svg" in refused(tmp_path, "demo --svg none/x.svg")


def test_no_home_is_refused(tmp_path: Path) -> None:
    assert "XDG_CACHE_HOME" in refused(tmp_path, HOME="/proc/1/none", XDG_CACHE_HOME="")


def test_a_held_folder_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    writable(tmp_path, "mend it")
    with held(tmp_path, "somebody", "mend it"):
        assert is_held(tmp_path)
        again = held(tmp_path, "somebody", "mend it")
        with pytest.raises(StartupError, match=f"somebody runs already .*process {os.getpid()}"):
            again.__enter__()
    assert not is_held(tmp_path)
    with held(tmp_path, "somebody", "mend it"):
        pass


def test_children_do_not_keep_a_folder_held(tmp_path: Path) -> None:
    with held(tmp_path, "somebody", "mend it"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not is_held(tmp_path)
    finally:
        child.communicate(b"\n")


def test_a_key_is_made_once_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    (tmp_path / f".{path.name}.{os.getpid()}").write_text("left by one that was killed")
    text = kept_secret(path).read_text("ascii")
    assert len(bytes.fromhex(text)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_secret(path).read_text("ascii") == text
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
