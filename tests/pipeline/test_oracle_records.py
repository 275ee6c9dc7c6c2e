"""What the oracle's figures and rejections carry beside their value, and what control records change."""

import json

import pytest

from pipeline.oracle import OracleResult, expect
from pipeline.oracle.homes import _murmur2
from schemas.aggregates import Aggregate
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.reasons import Reason
from schemas.rejections import Rejection
from tests.scenario_kit import PARTITIONS, Record, Scenario, event, feedback, figure, message, ms, record, tick

TEN = figure("user_messages", "PT1H", "2026-11-01T10:00:00Z")


def told(*records: Record, deciding: Deciding | None = None, **more: object) -> OracleResult:
    stored = Scenario("", records).stored()
    return expect(stored, deciding or Deciding(), PARTITIONS, topic="raw", **more)  # type: ignore[arg-type]


def control(digest: str, append: str) -> Record:
    return Record(None, None, ms(append), (("footfall-fold", digest.encode()),))


def test_a_figure_is_the_whole_aggregate_record() -> None:
    prompt = event(1, "prompt.submitted", "2026-11-01T10:00:00.5Z", module="m2", assistant="a1")
    found = told(record(message(0, "2026-11-01T10:00:00Z")), record(prompt)).figures
    identity = "acme|prompts|PT1H|2026-11-01T10:00:00Z|assistant=a1,module=m2"
    assert found[identity] == {
        "id": identity,
        "company": "acme",
        "metric": "prompts",
        "kind": "count",
        "unit": "1",
        "dimensions": {"assistant": "a1", "module": "m2"},
        "window": {"size": "PT1H", "start": "2026-11-01T10:00:00Z", "end": "2026-11-01T11:00:00Z"},
        "value": 1,
        "status": "provisional",
        "revision": 2,
        "watermark": "2026-11-01T10:00:00Z",
    }


def test_every_figure_is_a_valid_aggregate() -> None:
    result = told(record(message(1, "2026-11-01T10:00:00Z", user="u1")), record(feedback(2, "2026-11-20T10:00:00Z")))
    assert len(result.figures) > 30
    for identity, item in result.figures.items():
        assert Aggregate.model_validate_json(json.dumps(item)).id == identity


def test_a_revision_names_the_last_change_and_the_closing() -> None:
    records = [
        record(message(1, "2026-11-01T10:00:00Z", user="u1")),
        record(message(2, "2026-11-01T10:00:01Z", user="u1")),
        record(message(1, "2026-11-01T10:00:00Z", user="u1")),
        tick("2026-11-01T12:05:00Z"),
    ]
    found = told(*records).figures
    assert found[TEN]["revision"] == 2 * 1 + 1
    assert found[figure("dau", "P1D", "2026-11-01")]["revision"] == 0
    assert found[TEN]["watermark"] == "2026-11-01T12:00:00Z"
    assert told(*records[:3]).figures[TEN]["revision"] == 2


def test_a_sliding_figure_changes_only_with_a_new_member() -> None:
    found = told(
        record(message(1, "2026-11-02T10:00:00Z", user="u1")),
        record(message(2, "2026-11-01T10:00:00Z", user="u1"), append="2026-11-02T10:00:00Z"),
    ).figures
    assert found[figure("wau", "P7D", "2026-10-26")]["revision"] == 2
    assert found[figure("wau", "P7D", "2026-10-27")]["revision"] == 0


def test_a_rejection_names_company_and_source_only_where_form_and_key_are_right() -> None:
    result = told(
        record(message(1, "2026-11-01T11:00:00Z"), append="2026-11-01T10:00:00.007Z"),
        record(message(1, "2026-11-01T10:00:00Z", company="globex"), append="2026-11-01T09:00:00Z"),
        source_mark=lambda company, source: f"{company}-{source}",
    )
    received = "2026-11-01T10:00:00.007Z"
    partition = result.rejections[0].partition
    assert result.rejections == [
        Rejection("raw", partition, 0, Reason.CLOCK_AHEAD, "/time", "acme", "acme-s1", received),
        Rejection("raw", partition, 1, Reason.KEY_MISMATCH, "/company", None, None, received),
    ]


def test_duplicates_are_numbered_and_recorded_only_if_asked() -> None:
    once = record(message(1, "2026-11-01T10:00:00Z"))
    result = told(once, once)
    assert (result.counted, result.by_reason, result.rejections) == (1, {Reason.DUPLICATE: 1}, [])


def test_a_control_record_changes_what_decides_from_there_on() -> None:
    digests = {"new": Deciding(lateness=HOUR_MS)}
    old = message(2, "2026-11-01T08:00:00Z")
    records = [
        record(message(1, "2026-11-01T10:00:00Z")),
        record(old, append="2026-11-01T10:00:00Z"),
        control("unknown", "2026-11-01T10:00:00Z"),
        record(old | {"sequence": 3}, append="2026-11-01T10:00:00Z"),
        control("new", "2026-11-01T10:00:00Z"),
        record(old | {"sequence": 4}, append="2026-11-01T10:00:00Z"),
    ]
    result = told(*records, digests=digests)
    assert (result.counted, result.by_reason) == (3, {Reason.TOO_LATE: 1})
    assert told(*records).counted == 4


def test_a_longer_grace_opens_no_window_again() -> None:
    result = told(
        record(message(1, "2026-11-01T10:00:00Z")),
        tick("2026-11-01T12:05:00Z"),
        control("new", "2026-11-01T12:05:00Z"),
        digests={"new": Deciding(grace_hour=DAY_MS)},
    )
    assert result.figures[TEN]["status"] == "final"


@pytest.mark.parametrize(
    "odd",
    [
        Record(None, None, 0, (("footfall-tick", b"2"),)),
        Record(None, None, 0, (("footfall-tick", b"1"), ("more", b""))),
        Record(None, b"", 0, (("footfall-tick", b"1"),)),
        Record(b"acme", None, 0, (("footfall-tick", b"1"),)),
        Record(None, None, 0, (("footfall-fold", None),)),
        Record(None, None, 0),
    ],
)
def test_what_is_nearly_a_tick_is_a_bad_record(odd: Record) -> None:
    assert told(odd).by_reason == {Reason.NOT_JSON: 1}


def test_partitions_are_judged_apart_and_by_offset() -> None:
    late = record(message(1, "2026-11-01T10:00:00Z"))
    other = record(message(1, "2027-11-01T10:00:00Z", company="globex"), key="globex")
    stored = Scenario("", (late, other, record(message(2, "2026-11-01T10:00:01Z")))).stored()
    assert len({item.partition for item in stored}) == 2
    done: list[tuple[int, int]] = []
    result = expect(
        reversed(stored), Deciding(), PARTITIONS, topic="raw", progress=lambda count, of: done.append((count, of))
    )
    assert result.figures[TEN]["revision"] == 2
    assert done == [(3, 3)]


def test_nothing_comes_of_nothing() -> None:
    assert expect([], Deciding(), PARTITIONS, topic="raw") == OracleResult()
    assert told(Record(None, b"[]", 0)).figures == {}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_kafka(key: bytes, expected: int) -> None:
    assert _murmur2(key) == expected & 0xFFFFFFFF
