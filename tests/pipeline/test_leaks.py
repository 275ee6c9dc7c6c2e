"""The search for planted personal data finds what is there, and says where, not what."""

from pathlib import Path

import pytest

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.leaks import LeakSearch

NEEDLE = "jane.doe+x9@example.org"


@pytest.mark.parametrize(
    "record",
    [
        StoredRecord(0, 0, 0, NEEDLE.encode(), None, ()),
        StoredRecord(0, 0, 0, None, b"before " + NEEDLE.encode() + b" after", ()),
        StoredRecord(0, 0, 0, None, None, ((NEEDLE, None),)),
        StoredRecord(0, 0, 0, None, None, (("h", NEEDLE.encode()),)),
    ],
)
def test_each_part_of_a_record_is_searched(record: StoredRecord) -> None:
    search = LeakSearch([NEEDLE])
    search.records("clean", [record])
    assert dict(search.places) == {"clean": 1}


def test_files_and_their_names_are_searched(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"x {NEEDLE}")
    (tmp_path / NEEDLE).write_text("")
    (tmp_path / "raw-0").mkdir()
    (tmp_path / "raw-0" / "left.out").write_text(NEEDLE)
    search = LeakSearch([NEEDLE])
    search.folder("state", tmp_path, leave_out=["raw-0"])
    assert dict(search.places) == {"state: a.log": 1, "state: name of a file": 1}


def test_nothing_is_found_where_nothing_is() -> None:
    search = LeakSearch([NEEDLE])
    search.records("clean", [StoredRecord(0, 0, 0, b"k", b"v", ())])
    assert not search.places
    assert search.searched > 0


def test_a_search_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="planted"):
        LeakSearch([])
