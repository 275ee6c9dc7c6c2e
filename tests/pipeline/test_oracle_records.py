"""What the oracle's figures and rejections carry beside their value, and what control records change."""

import json
from dataclasses import replace

import pytest

from agents.core.shared.control import ControlKeys
from pipeline.proof.oracle import OracleKeys, OracleResult
from pipeline.proof.oracle.homes import _murmur2
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.reasons import Reason
from schemas.wire.aggregates import Aggregate
from schemas.wire.rejections import Rejection
from tests.control_kit import ORACLE_KEYS, PREVIOUS, SECRET, TOPIC, digest_of, fold_text, tick_text
from tests.control_kit import expected as expected_of
from tests.scenario_kit import PARTITIONS, Record, Scenario, event, feedback, figure, message, ms, record, tick

TEN = figure("user_messages", "PT1H", "2026-11-01T10:00:00Z")


def told(*records: Record, deciding: Deciding | None = None, **more: object) -> OracleResult:
    stored = Scenario("", records).stored(keys=more.get("keys", ORACLE_KEYS))  # type: ignore[arg-type]
    return expected_of(stored, deciding or Deciding(), PARTITIONS, **more)  # type: ignore[arg-type]


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
        Rejection(TOPIC, partition, 0, Reason.CLOCK_AHEAD, "/time", "acme", "acme-s1", received),
        Rejection(TOPIC, partition, 1, Reason.KEY_MISMATCH, "/company", None, None, received),
    ]


def test_duplicates_are_numbered_and_recorded_only_if_asked() -> None:
    once = record(message(1, "2026-11-01T10:00:00Z"))
    result = told(once, once)
    assert (result.counted, result.by_reason, result.rejections) == (1, {Reason.DUPLICATE: 1}, [])


HOURLY, DAILY = Deciding(lateness=HOUR_MS), Deciding(grace_hour=DAY_MS)


def test_a_control_record_changes_what_decides_from_there_on() -> None:
    digests = {digest_of(HOURLY): HOURLY}
    old = message(2, "2026-11-01T08:00:00Z")
    records = [
        record(message(1, "2026-11-01T10:00:00Z")),
        record(old, append="2026-11-01T10:00:00Z"),
        control(digest_of(Deciding(max_series=7)), "2026-11-01T10:00:00Z"),
        record(old | {"sequence": 3}, append="2026-11-01T10:00:00Z"),
        control(digest_of(HOURLY), "2026-11-01T10:00:00Z"),
        record(old | {"sequence": 4}, append="2026-11-01T10:00:00Z"),
    ]
    result = told(*records, digests=digests)
    assert (result.counted, result.by_reason) == (3, {Reason.TOO_LATE: 1})
    assert told(*records).counted == 4


def test_a_longer_grace_opens_no_window_again() -> None:
    result = told(
        record(message(1, "2026-11-01T10:00:00Z")),
        tick("2026-11-01T12:05:00Z"),
        control(digest_of(DAILY), "2026-11-01T12:05:00Z"),
        digests={digest_of(DAILY): DAILY},
    )
    assert result.figures[TEN]["status"] == "final"


def test_before_the_record_the_old_control_key_alone_is_genuine_and_from_it_on_the_new_one() -> None:
    both = ControlKeys(SECRET, PREVIOUS)
    keys = OracleKeys({both.mark: SECRET, ControlKeys(PREVIOUS).mark: PREVIOUS}, PREVIOUS)
    partition, new = record(message(1, "2026-11-01T10:00:00Z")).at(), digest_of(Deciding())
    times = ms("2026-11-01T12:00:00Z"), ms("2026-11-01T12:10:00Z"), ms("2026-11-01T12:20:00Z")

    def by(key: bytes, at: int, seen: int) -> Record:
        return Record(None, None, at, (("footfall-tick", tick_text(key, TOPIC, partition, seen)),), partition)

    def announced(key: bytes, number: int) -> Record:
        text = fold_text(key, TOPIC, partition, new, number)
        return Record(None, None, times[1], (("footfall-fold", text),), partition)

    records = [
        record(message(1, "2026-11-01T10:00:00Z")),
        by(SECRET, times[0], ms("2026-11-01T10:00:00Z")),
        by(PREVIOUS, times[0], ms("2026-11-01T10:00:00Z")),
        announced(SECRET, 1),
        announced(PREVIOUS, 2),
        announced(PREVIOUS, 1),
        announced(PREVIOUS, 1),
        announced(SECRET, 1),
        by(PREVIOUS, times[2], times[1]),
        by(SECRET, times[2], times[1]),
    ]
    result = told(*records, keys=keys)
    assert [(each.offset, each.reason) for each in result.rejections] == [
        (offset, Reason.FORGED_CONTROL) for offset in (1, 3, 6, 8)
    ]
    begun = told(*records, keys=keys._replace(begun={partition: new}))
    assert {each.offset for each in begun.rejections} == {2, 4, 5, 6, 8}


TAG = b"0" * 32


@pytest.mark.parametrize(
    "odd",
    [
        Record(None, None, 0, (("footfall-tick", b"1"),)),
        Record(None, None, 0, (("footfall-tick", b"0:" + TAG),)),
        Record(None, None, 0, (("footfall-tick", tick_text(SECRET, TOPIC, 3, 0)),)),
        Record(None, None, 0, (("footfall-tick", tick_text(SECRET, "other", 0, 0)),)),
        Record(None, None, 0, (("footfall-tick", tick_text(SECRET, TOPIC, 0, 0) + b" "),)),
        Record(None, None, 0, (("footfall-tick", tick_text(SECRET, TOPIC, 0, 0).upper() + b"A"),)),
        Record(None, None, 0, (("footfall-tick", b"00:" + tick_text(SECRET, TOPIC, 0, 0)[2:]),)),
        Record(None, None, 0, (("footfall-tick", tick_text(SECRET, TOPIC, 0, 0)), ("more", b""))),
        Record(None, None, 0, (("more", b""), ("footfall-fold", None))),
        Record(b"acme", None, 0, (("footfall-tick", tick_text(SECRET, TOPIC, 0, 0)),)),
        Record(None, None, 0, (("footfall-fold", None),)),
        Record(None, None, 0, (("footfall-fold", b"\xff\xfe"),)),
        Record(None, None, 0, (("footfall-fold", fold_text(SECRET, TOPIC, 0, "acme", 1)),)),
        Record(None, None, 0, (("footfall-fold", fold_text(SECRET, TOPIC, 0, digest_of(HOURLY), 0)),)),
        Record(None, None, 0, (("footfall-fold", fold_text(SECRET, TOPIC, 0, digest_of(HOURLY).upper(), 1)),)),
    ],
)
def test_what_is_nearly_ours_is_one_rejection(odd: Record) -> None:
    (found,) = told(replace(odd, partition=0)).rejections
    assert (found.reason, found.path, found.company, found.source) == (Reason.FORGED_CONTROL, "", None, None)


@pytest.mark.parametrize(
    "odd",
    [
        Record(None, b"", 0, (("footfall-tick", tick_text(SECRET, TOPIC, 0, 0)),)),
        Record(None, None, 0, (("Footfall-Tick", tick_text(SECRET, TOPIC, 0, 0)),)),
        Record(None, None, 0),
    ],
)
def test_what_does_not_claim_to_be_ours_is_judged_by_its_form(odd: Record) -> None:
    assert told(replace(odd, partition=0)).by_reason == {Reason.NOT_JSON: 1}


def test_partitions_are_judged_apart_and_by_offset() -> None:
    late = record(message(1, "2026-11-01T10:00:00Z"))
    other = record(message(1, "2027-11-01T10:00:00Z", company="globex"), key="globex")
    stored = Scenario("", (late, other, record(message(2, "2026-11-01T10:00:01Z")))).stored()
    assert len({item.partition for item in stored}) == 2
    done: list[tuple[int, int]] = []
    result = expected_of(reversed(stored), Deciding(), PARTITIONS, progress=lambda count, of: done.append((count, of)))
    assert result.figures[TEN]["revision"] == 2
    assert done == [(3, 3)]


def test_nothing_comes_of_nothing() -> None:
    assert expected_of([], Deciding(), PARTITIONS) == OracleResult()
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
