"""What `make check` leaves out is there, is marked, and is run by `make test`."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.long import ONE_IN, mark_long

ROOT = Path(__file__).parents[2]


@dataclass
class Found:
    nodeid: str
    markers: list[str] = field(default_factory=list)

    def add_marker(self, marker: str) -> None:
        self.markers.append(marker)


@pytest.mark.parametrize("name", ONE_IN)
def test_every_long_test_is_there(name: str) -> None:
    path, _, function = name.partition("::")
    assert re.search(rf"^(?:async )?def {function}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_one_in_so_many_cases_is_left_and_of_zero_none() -> None:
    some, none = next(name for name in ONE_IN if ONE_IN[name] == 20), next(name for name in ONE_IN if not ONE_IN[name])
    items = [Found(f"{some}[{number}]") for number in range(41)] + [Found(none), Found("tests/x.py::test_other[1]")]
    mark_long(items)
    assert [item.nodeid for item in items if not item.markers] == [
        *(f"{some}[{number}]" for number in (0, 20, 40)),
        "tests/x.py::test_other[1]",
    ]
    assert {mark for item in items for mark in item.markers} == {"long"}


def test_make_check_alone_leaves_them_out() -> None:
    commands = [
        line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if "pytest" in line and line[0] == "\t"
    ]
    assert len(commands) > 1
    assert [line for line in commands if "not long" in line] == [line for line in commands if "$(CHECK)" in line]
