"""Whatever is wrong with the corrections topic is found and named; a right one shows nothing, repeats included."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.corrections import CorrectionsView, compare_corrections
from schemas.deciding import Deciding
from schemas.wire.corrections import Correction, decode_correction, encode_correction
from tests.control_kit import expected as expected_of
from tests.scenario_kit import PARTITIONS, Scenario, figure, message, record

HOUR = figure("user_messages", "PT1H", "2026-11-01T10:00:00Z")
DAY = figure("user_messages", "P1D", "2026-11-01")
LATE = "2026-11-01T10:30:00Z"


@dataclass
class Topics:
    """What a correct pipeline has written: three late messages of one hour, whose day is still open."""

    expected: dict[tuple[str, int], Correction]
    sink: dict[str, dict[str, Any]]
    stored: list[StoredRecord]

    def wrong(self) -> list[tuple[str, str]]:
        found = compare_corrections(self.stored, self.expected, self.sink)
        assert {each.id for each in found} <= {HOUR, DAY, "strange"}
        return [(each.kind.value, each.field) for each in found]


@pytest.fixture
def topics() -> Topics:
    records = (
        record(message(1, LATE)),
        record(message(2, "2026-11-01T14:00:00Z")),
        *(record(message(number, LATE), append="2026-11-01T14:00:01Z") for number in (3, 4, 5)),
    )
    result = expected_of(Scenario("", records).stored(), Deciding(), PARTITIONS)
    stored = [
        StoredRecord(
            each.cause.partition,
            offset,
            0,
            identity.encode(),
            encode_correction(identity, each.old, each.new, each.cause.partition, each.cause.offset, 1793541600000),
            (),
        )
        for offset, ((identity, _), each) in enumerate(sorted(result.corrections.items()))
    ]
    return Topics(result.corrections, result.figures, stored)


def changed(stored: StoredRecord, **changes: Any) -> StoredRecord:
    told = msgspec.structs.replace(decode_correction(stored.value or b""), **changes)
    return stored._replace(value=msgspec.json.encode(told))


def test_a_right_topic_shows_nothing_repeats_included(topics: Topics) -> None:
    assert [(each.id, each.old, each.new, each.revision) for each in topics.expected.values()] == [
        (HOUR, 1, 2, 5),
        (HOUR, 2, 3, 7),
        (HOUR, 3, 4, 9),
    ]
    assert topics.sink[HOUR]["value"] == 4
    topics.stored += topics.stored[:2]
    assert topics.wrong() == []


def test_a_sink_that_lags_behind_is_accounted_for(topics: Topics) -> None:
    view = CorrectionsView()
    view.apply(topics.stored)
    for value, revision, status in [(1, 1, "final"), (2, 5, "corrected"), (3, 7, "corrected"), (4, 9, "corrected")]:
        topics.sink[HOUR] |= {"value": value, "revision": revision, "status": status}
        assert view.unbalanced(topics.sink) == []


def test_a_missing_correction_is_found_and_no_longer_adds_up(topics: Topics) -> None:
    del topics.stored[1]
    assert topics.wrong() == [
        ("missing", "correction 7"),
        ("wrong", "old of correction 9"),
        ("wrong", "final plus corrections"),
    ]


def test_a_missing_last_correction_no_longer_adds_up(topics: Topics) -> None:
    del topics.stored[2]
    assert topics.wrong() == [("missing", "correction 9"), ("wrong", "final plus corrections")]


def test_a_corrected_figure_without_any_correction_is_found(topics: Topics) -> None:
    topics.stored.clear()
    topics.expected.clear()
    assert topics.wrong() == [("wrong", "status")]


def test_a_correction_of_an_open_figure_is_found(topics: Topics) -> None:
    value = encode_correction(DAY, 4, 5, topics.stored[0].partition, 4, 0)
    topics.stored.append(topics.stored[0]._replace(key=DAY.encode(), value=value))
    assert topics.wrong() == [("surplus", "correction 9"), ("wrong", "status")]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"old": 0}, ["correction 5", "old of correction 5", "final plus corrections"]),
        ({"difference": 2}, ["correction 5", "old of correction 5", "final plus corrections"]),
        ({"new": 9}, ["correction 5", "old of correction 5", "old of correction 7"]),
        ({"metric": "prompts"}, ["correction 5"]),
    ],
)
def test_a_correction_that_tells_something_else_is_found(
    topics: Topics, changes: dict[str, Any], wrong: list[str]
) -> None:
    topics.stored[0] = changed(topics.stored[0], **changes)
    assert topics.wrong() == [("wrong", name) for name in wrong]


def test_a_repeat_that_tells_something_else_is_found_and_the_first_counts(topics: Topics) -> None:
    topics.stored.append(changed(topics.stored[0], old=7))
    assert topics.wrong() == [("wrong", "a repeat of correction 5")]


@pytest.mark.parametrize("change", [{"key": None}, {"key": b"x"}, {"partition": 99}])
def test_a_correction_that_lies_elsewhere_is_found(topics: Topics, change: dict[str, Any]) -> None:
    topics.stored[0] = topics.stored[0]._replace(**change)
    assert topics.wrong() == [("wrong", "the place of correction 5")]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b"\xff"])
def test_a_record_that_is_no_correction_is_found(topics: Topics, value: bytes | None) -> None:
    topics.stored.append(StoredRecord(0, 77, 0, b"strange", value, ()))
    assert topics.wrong() == [("wrong", "correction")]


def test_a_sink_that_tells_another_value_is_found(topics: Topics) -> None:
    topics.sink[HOUR]["value"] = 5
    assert topics.wrong() == [("wrong", "final plus corrections")]
