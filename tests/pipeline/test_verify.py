"""Planted faults in a sink are found and named, and a right sink shows none."""

import copy
import json
from typing import Any

import pytest
from rich.console import Console

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.verify import Difference, DifferenceKind, compare, last_is_highest, render, wrong_pages
from schemas.deciding import Deciding
from tests.control_kit import expected as expected_of
from tests.scenario_kit import PARTITIONS, Scenario, event, figure, message, record

HOUR = figure("user_messages", "PT1H", "2026-11-01T10:00:00Z")
KIND = figure("folders_created", "P1D", "2026-11-01", "kind=[red]")


@pytest.fixture
def expected() -> dict[str, dict[str, Any]]:
    records = (
        record(message(1, "2026-11-01T10:00:00Z", user="u1")),
        record(event(2, "folder.created", "2026-11-01T10:00:01Z", kind="red")),
    )
    return expected_of(Scenario("", records).stored(), Deciding(), PARTITIONS).figures


def test_a_right_sink_shows_no_difference_whenever_it_was_emitted(expected: dict[str, dict[str, Any]]) -> None:
    sink = copy.deepcopy(expected)
    sink[HOUR]["watermark"] = "2026-11-01T09:00:00Z"
    sink[HOUR] = dict(reversed(sink[HOUR].items()))
    sink[HOUR]["window"] = dict(reversed(sink[HOUR]["window"].items()))
    assert compare(sink, expected, sink_watermarks=True) == []


@pytest.mark.parametrize(
    ("field", "planted"),
    [
        ("value", 2),
        ("value", True),
        ("value", 1.0),
        ("value", None),
        ("status", "final"),
        ("revision", 1),
        ("company", "globex"),
        ("dimensions", {"kind": "a"}),
        ("window", {"size": "PT1H"}),
        ("unit", "2"),
        ("user", "u1"),
    ],
)
def test_a_wrong_figure_is_found(expected: dict[str, dict[str, Any]], field: str, planted: object) -> None:
    sink = copy.deepcopy(expected)
    sink[HOUR][field] = planted
    wanted = [Difference(HOUR, DifferenceKind.WRONG, field, expected[HOUR].get(field), planted)]
    assert compare(sink, expected, sink_watermarks=False) == wanted


def test_missing_and_surplus_figures_are_found(expected: dict[str, dict[str, Any]]) -> None:
    sink = copy.deepcopy(expected)
    sink["acme|more"] = sink.pop(HOUR) | {"value": 7}
    assert compare(sink, expected, sink_watermarks=False) == [
        Difference("acme|more", DifferenceKind.SURPLUS, "value", None, 7),
        Difference(HOUR, DifferenceKind.MISSING, "value", 1, None),
    ]


@pytest.mark.parametrize("watermark", ["2026-11-01T10:00:02Z", None, 5])
def test_a_watermark_from_beyond_the_log_is_found_if_asked(
    expected: dict[str, dict[str, Any]], watermark: object
) -> None:
    sink = copy.deepcopy(expected)
    sink[HOUR]["watermark"] = watermark
    assert [item.field for item in compare(sink, expected, sink_watermarks=True)] == ["watermark"]
    assert compare(sink, expected, sink_watermarks=False) == []


def stored(*records: tuple[str, object]) -> list[StoredRecord]:
    return [
        StoredRecord(0, offset, 0, key.encode(), None if value is None else json.dumps(value).encode(), ())
        for offset, (key, value) in enumerate(records)
    ]


def test_the_last_record_of_every_id_carries_its_highest_revision() -> None:
    right = [("a", {"revision": 2}), ("b", {"revision": 9}), ("a", {"revision": 2}), ("a", {"revision": 5})]
    assert last_is_highest(stored(*right)) == []
    assert last_is_highest(stored(*right, ("b", {"revision": 8}), ("a", {"revision": 4}))) == ["a", "b"]


@pytest.mark.parametrize("bad", [None, {}, [], "x", {"revision": "9"}, {"revision": True}])
def test_a_deletion_or_a_bad_record_is_no_highest_revision(bad: object) -> None:
    assert last_is_highest(stored(("a", {"revision": 0}), ("a", bad))) == ["a"]
    assert last_is_highest(stored(("a", bad), ("a", {"revision": 0}))) == []


def test_pages_of_the_books_are_missing_surplus_or_wrong() -> None:
    def page(key: str, value: bytes) -> StoredRecord:
        return StoredRecord(0, 0, 0, key.encode(), value, ())

    expected = {b"a": b"1", b"b": b"2"}
    assert wrong_pages([page("a", b"1"), page("b", b"2"), page("a", b"1")], expected) == []
    assert wrong_pages([page("a", b"1"), page("a", b"9"), page("c", b"3")], expected) == ["a", "b", "c"]


def test_the_table_is_readable_and_short() -> None:
    differences = [Difference(KIND, DifferenceKind.WRONG, "value", number, None) for number in range(30)]
    console = Console(width=160, force_terminal=False)
    with console.capture() as captured:
        console.print(render(differences, limit=5))
    text = captured.get()
    assert "30 differences: 30 wrong" in text
    assert text.count(KIND) == 5
    assert "25 more" in text
    assert render([]).title == "no difference"
