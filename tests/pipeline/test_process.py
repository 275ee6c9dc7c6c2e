"""The program on a bad machine: a stream that has not every character, no room, no reader; and what a crash leaves."""

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from pipeline.cli import main; main()"]
TABLES = ["topics show", "doctor"]


def environment(**variables: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")} | variables


def run(command: str, folder: Path, stdout: int = subprocess.PIPE, **variables: str) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [*PROGRAM, *command.split()],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(**variables),
        cwd=folder,
        timeout=60,
    )
    return done.returncode, done.stdout or b"", done.stderr.decode()


@pytest.mark.parametrize("command", TABLES)
@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_tables_are_printed_in_any_encoding(tmp_path: Path, command: str, encoding: str) -> None:
    code, out, said = run(command, tmp_path, PYTHONIOENCODING=encoding, COLUMNS="30")
    assert code == (1 if command == "doctor" else 0)
    assert not said
    assert out.decode(encoding)


def test_a_locale_without_utf_8_will_do(tmp_path: Path) -> None:
    variables = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "COLUMNS": "30"}
    assert run("topics show", tmp_path, **variables)[::2] == (0, "")
    variables["FOOTFALL_DATA_DIR"] = "/proc/1/größe"
    assert run("doctor", tmp_path, **variables)[::2] == (1, "")


@pytest.mark.parametrize("command", ["topics show", "simulate --events 1000"])
def test_a_full_disk_behind_stdout_is_told_in_a_line(tmp_path: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, _, said = run(command, tmp_path, full.fileno())
    assert code == 2
    assert said == "footfall: this machine says: No space left on device: make room, then try again\n"


def test_a_reader_that_has_had_enough_is_no_error(tmp_path: Path) -> None:
    for command in ("topics show", "simulate --events 1000"):
        read, write = os.pipe()
        os.close(read)
        assert run(command, tmp_path, write)[::2] == (1, "")
        os.close(write)


def test_a_closed_stdout_is_no_error(tmp_path: Path) -> None:
    program = f"import os; os.close(1); os.execv({sys.executable!r}, {[*PROGRAM, 'topics', 'show']!r})"
    done = subprocess.Popen([sys.executable, "-c", program], env=environment(), cwd=tmp_path, stderr=subprocess.PIPE)
    assert (done.communicate()[1], done.returncode) == (b"", 0)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_crashes_leaves_no_image_of_its_memory(tmp_path: Path, number: signal.Signals) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        worker = subprocess.Popen(
            [*PROGRAM, "worker", "anonymize"],
            env=environment(FOOTFALL_BROKERS=address, FOOTFALL_PSEUDONYM_KEY="ab" * 32, FOOTFALL_CONTROL_KEY="cd" * 32),
            cwd=tmp_path,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),  # noqa: PLW1509 - no other thread runs here
        )
        silent.accept()[0].close()  # it is past its beginning, and waits for an answer
        worker.send_signal(number)
        _, status = os.waitpid(worker.pid, 0)
        worker.returncode = -number
    assert os.WTERMSIG(status) == number
    assert not os.WCOREDUMP(status)
    assert not list(tmp_path.iterdir())
