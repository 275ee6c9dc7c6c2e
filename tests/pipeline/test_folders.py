"""Folders on this machine: one process holds one, a secret is made once and whole, and what cannot be used is told."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.folders import LOCK, held, is_held, kept_secret, writable


def test_a_folder_is_held_until_its_holder_lets_go(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with held(tmp_path, "footfall up", "mend it"):
        assert is_held(tmp_path)
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        with pytest.raises(StartupError) as refused, held(tmp_path, "footfall up", "mend it"):
            pass
        assert refused.value.what == f"footfall up runs already on the folder {tmp_path} (process {os.getpid()})"
        assert "FOOTFALL_DATA_DIR" in refused.value.do
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    (tmp_path / LOCK).write_text("9" * 19 + "\n")
    with held(tmp_path, "footfall up", "mend it"):
        assert is_held(tmp_path)
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_it_is_let_go_where_its_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path, "x", "y"):
        raise ZeroDivisionError
    assert not is_held(tmp_path)


def test_a_process_that_is_gone_holds_nothing_and_its_children_neither(tmp_path: Path) -> None:
    code = (
        "import sys, subprocess, os\nfrom pathlib import Path\nfrom pipeline.folders import held\n"
        "context = held(Path(sys.argv[1]), 'x', 'y')\ncontext.__enter__()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=0, close_fds=False)\n"
        "print(child.pid, flush=True)\nos._exit(9)\n"
    )
    root = Path(__file__).parents[2]
    gone = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert gone.stdin is not None
    assert gone.stdout is not None
    try:
        child = int(gone.stdout.readline())
        assert gone.wait() == 9
        os.kill(child, 0)
        assert not is_held(tmp_path)
        assert (tmp_path / LOCK).read_text() == f"{gone.pid}\n"
        with held(tmp_path, "x", "y"):
            assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    finally:
        gone.stdin.close()
        gone.stdout.close()


@pytest.mark.parametrize("text", ["", "\xff\n", "12345\n"])
def test_whatever_a_lock_holds_the_refusal_is_one_line(text: str, tmp_path: Path) -> None:
    with held(tmp_path, "x", "y"):
        (tmp_path / LOCK).write_bytes(text.encode("latin-1"))
        with pytest.raises(StartupError) as refused, held(tmp_path, "x", "y"):
            pass
    assert f"(process {'12345' if '1' in text else 'unknown' if not text else chr(0xFFFD)})" in refused.value.what


def test_a_folder_that_is_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StartupError, match="cannot be used") as refused:
            writable(folder, "name another")
        assert refused.value.do == "name another"
        with pytest.raises(StartupError, match="cannot be used"), held(folder, "x", "y"):
            pass
        assert not is_held(folder)
    assert not is_held(tmp_path / "nowhere")


def test_a_folder_is_made_with_those_above_it_and_left_empty(tmp_path: Path) -> None:
    writable(tmp_path / "a" / "b", "x", 0o700)
    assert list((tmp_path / "a" / "b").iterdir()) == []
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "a" / "b" / "kept").write_text("it")
    writable(tmp_path / "a" / "b", "x")
    assert [each.name for each in (tmp_path / "a" / "b").iterdir()] == ["kept"]


def test_a_secret_is_made_once_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert kept_secret(one) == one
    text = one.read_text()
    assert len(bytes.fromhex(text)) == 32
    assert text.endswith("\n")
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert kept_secret(one).read_text() == text
    assert kept_secret(other).read_text() != text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one", "other"]


def test_what_a_process_before_left_half_made_is_in_nobody_s_way(tmp_path: Path) -> None:
    half = tmp_path / f".key.{os.getpid()}"
    half.write_text("12")
    assert len(kept_secret(tmp_path / "key").read_text()) == 65
    assert not half.exists()
