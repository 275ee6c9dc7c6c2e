"""Folders of state on disk: one a process and assignment, what nobody holds any more is removed."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings
from pipeline.worker.stores import Stores

LEAVES = """
import os, sys
from pathlib import Path
from pipeline.worker.stores import Stores
store = Stores(Path(sys.argv[1]), "anonymize").open(3)
store.put(b"k", b"v")
print(store.folder, flush=True)
sys.stdin.read()
os._exit(1)
"""


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    mine = Stores(tmp_path, "anonymize")
    living = mine.open(3)
    with subprocess.Popen(
        [sys.executable, "-c", LEAVES, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        assert theirs.is_dir()
        assert theirs != living.folder
        assert mine.remove_stale() == 0
        other.kill()
    assert theirs.is_dir()
    assert mine.remove_stale() == 1
    assert not theirs.exists()
    living.put(b"k", b"v")
    assert living.get(b"k") == b"v"
    assert {path.stat().st_mode & 0o777 for path in (living.folder, living.folder.parent)} == {0o700}
    living.close()
    assert [*(tmp_path / "anonymize" / "3").iterdir()] == []


def test_each_assignment_begins_with_nothing(tmp_path: Path) -> None:
    made = Stores(tmp_path, "aggregate")
    one = made.open(0)
    one.put(b"k", b"v")
    other = made.open(0)
    assert other.get(b"k") is None
    one.close()
    other.close()


def test_a_store_that_is_closed_again_closes_nobody_elses_file(tmp_path: Path) -> None:
    store = Stores(tmp_path, "aggregate").open(0)
    store.close()
    with (tmp_path / "another").open("w") as another:
        store.close()
        another.write("still open")
    assert (tmp_path / "another").read_text() == "still open"


def test_a_data_folder_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="FOOTFALL_DATA_DIR"):
        Stores(tmp_path / "file", "anonymize").remove_stale()


def test_an_unknown_store_is_refused() -> None:
    with pytest.raises(StartupError, match="store"):
        load_settings(store="floppy")


def test_a_folder_that_takes_no_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "anonymize").symlink_to("/proc/self")  # it is there, and nobody can write in it, root neither
    with pytest.raises(StartupError, match=r"anonymize cannot be used .*FOOTFALL_DATA_DIR"):
        Stores(tmp_path, "anonymize").remove_stale()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    store = Stores(tmp_path / "größe, a=b [x] #1", "aggregate").open(0)
    store.put(b"k", b"v")
    assert store.get(b"k") == b"v"
    store.close()
