"""The oracle against cases counted by hand: each kind of figure, on time, late, and after its window closed."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.proof.oracle import OracleResult
from pipeline.proof.oracle.figures import Brought, _bin, making_of
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.reasons import Reason
from tests.control_kit import expected as expected_of
from tests.meters import METERS
from tests.scenario_kit import PARTITIONS, Record, Scenario, event, figure, ms, record, tick

DECIDING = Deciding(catalogue=METERS, partitions=PARTITIONS)
DAY = "2026-11-01"
TEN, ELEVEN, NOON = (f"{DAY}T{hour}:00:00Z" for hour in (10, 11, 12))
CLOSED = tick("2026-11-03T12:00:00Z")
"""A tick after which the hours and the day of the first are closed."""


def told(*records: Record, **more: int) -> OracleResult:
    deciding = replace(DECIDING, **more)
    return expected_of(Scenario("", records, deciding=deciding).stored(), deciding, PARTITIONS)


def upload(number: int, at: str, size: int, kind: str = "a", **more: Any) -> dict[str, Any]:
    return event(number, "file.uploaded", at, kind=kind, bytes=size, **({"visibility": "shared"} | more))


def call(number: int, at: str, seconds: int, **more: Any) -> dict[str, Any]:
    return event(number, "call.ended", at, protocol="sip", duration=seconds, **more)


def late(told: object) -> Record:
    """Appended when everything of the first is closed."""
    return record(told, append="2026-11-03T12:00:01Z")


def value(found: OracleResult, identity: str) -> tuple[int, str]:
    return found.figures[identity]["value"], found.figures[identity]["status"]


def changes(found: OracleResult, identity: str) -> list[tuple[int, int, int]]:
    """(old, new, raw offset) of the corrections of a figure."""
    return [(each.old, each.new, each.cause.offset) for (of, _), each in found.corrections.items() if of == identity]


def test_a_count_grows_by_each_event_and_each_late_record_is_one_correction() -> None:
    files = figure("files_uploaded", "PT1H", TEN, "kind=a,visibility=shared")
    records = [record(upload(1, TEN, 5)), record([upload(2, TEN, 6), upload(3, TEN, 7, kind="b")])]
    assert value(told(*records), files) == (2, "provisional")
    closed = told(*records, CLOSED)
    assert value(closed, files) == (2, "final")
    assert closed.corrections == {}
    found = told(*records, CLOSED, late([upload(4, TEN, 1), upload(5, TEN, 1)]), late(upload(6, TEN, 1)))
    assert value(found, files) == (5, "corrected")
    assert changes(found, files) == [(2, 4, 3), (4, 5, 4)]
    assert found.figures[files]["revision"] == 2 * 4 + 1


def test_a_sum_adds_the_numbers_and_what_adds_nothing_corrects_nothing() -> None:
    total = figure("bytes_uploaded", "P1D", DAY, "kind=a")
    private = figure("private_bytes", "P1D", DAY)
    records = [record(upload(1, TEN, 5)), record(upload(2, NOON, 7, visibility="private")), CLOSED]
    found = told(*records)
    assert (value(found, total), value(found, private)) == ((12, "final"), (7, "final"))
    found = told(*records, late(upload(3, TEN, 0)), late(upload(4, TEN, 2)))
    assert value(found, total) == (14, "corrected")
    assert changes(found, total) == [(12, 14, 4)]
    assert changes(found, private) == []
    files = figure("files_uploaded", "P1D", DAY, "kind=a,visibility=shared")
    assert changes(found, files) == [(1, 2, 3), (2, 3, 4)]


def test_a_distinct_figure_takes_each_source_once_however_late() -> None:
    sources = figure("uploaders", "P1D", DAY, "visibility=shared")
    records = [record(upload(1, TEN, 1)), record(upload(2, TEN, 1)), record(upload(1, TEN, 1, source="s2")), CLOSED]
    assert value(told(*records), sources) == (2, "final")
    found = told(*records, late(upload(3, TEN, 1)), late(upload(2, TEN, 1, source="s3")))
    assert value(found, sources) == (3, "corrected")
    assert changes(found, sources) == [(2, 3, 5)]
    reset = told(*records, late(upload(0, TEN, 1, source="s1#again")))
    assert value(reset, sources) == (2, "final")


def test_active_users_are_of_a_day_and_of_every_window_that_holds_it() -> None:
    records = [record(upload(1, TEN, 1, user="u1")), record(upload(2, NOON, 1, user="u1"))]
    records += [record(upload(3, "2026-11-02T10:00:00Z", 1, user="u2"))]
    found = told(*records)
    assert value(found, figure("dau", "P1D", DAY))[0] == 1
    assert value(found, figure("dau", "P1D", "2026-11-02"))[0] == 1
    assert value(found, figure("wau", "P7D", "2026-10-27"))[0] == 2
    assert value(found, figure("wau", "P7D", "2026-10-26"))[0] == 1
    assert figure("wau", "P7D", "2026-10-28") not in found.figures
    found = told(*records, CLOSED, late(upload(4, TEN, 1, user="u2")))
    assert changes(found, figure("dau", "P1D", DAY)) == [(1, 2, 4)]
    assert changes(found, figure("wau", "P7D", "2026-10-26")) == [(1, 2, 4)]
    assert changes(found, figure("wau", "P7D", "2026-10-27")) == []


def test_a_gauge_is_the_sum_of_the_last_readings_and_may_fall_when_it_is_corrected() -> None:
    storage = figure("storage", "P1D", DAY, "kind=a")
    records = [record(upload(1, TEN, 100)), record(upload(1, TEN, 50, source="s2")), record(upload(2, NOON, 70))]
    found = told(*records)
    assert (value(found, storage)[0], found.figures[storage]["sources"]) == (120, 2)
    older = told(*records, record(upload(3, ELEVEN, 999), append=NOON))
    assert value(older, storage)[0] == 120
    assert older.figures[storage]["revision"] == found.figures[storage]["revision"]
    same_time = told(*records, record(upload(3, NOON, 10)))
    assert value(same_time, storage)[0] == 60
    corrected = told(*records, CLOSED, late(upload(3, ELEVEN, 1)), late(upload(4, f"{DAY}T13:00:00Z", 20)))
    assert changes(corrected, storage) == [(120, 70, 5)]


def test_a_reading_of_0_from_a_new_source_is_told_as_a_correction_by_nothing() -> None:
    storage = figure("storage", "P1D", DAY, "kind=a")
    found = told(record(upload(1, TEN, 100)), CLOSED, late(upload(1, TEN, 0, source="s2")))
    assert changes(found, storage) == [(100, 100, 2)]
    assert found.figures[storage]["sources"] == 2


def test_a_distribution_tells_its_readings_by_rank_and_bin() -> None:
    durations = figure("call_duration", "PT1H", TEN, "protocol=sip")
    readings = [1, 2, 3, 40, 1000]
    records = [record(call(number, TEN, each)) for number, each in enumerate(readings)]
    found = told(*records)
    told_of = found.figures[durations]
    assert (told_of["value"], told_of["sum"], told_of["min"], told_of["max"]) == (5, 1046, 1, 1000)
    low, high = _bin(1000)
    assert (told_of["p50"], told_of["p95"], told_of["p99"]) == (3, *[min((low + high) // 2, 1000)] * 2)
    assert told_of["bins"] == [[1, 1], [2, 1], [3, 1], [40, 1], [low, 1]]
    later = told(*records, CLOSED, late([call(7, TEN, 0), call(8, TEN, 2)]))
    assert changes(later, durations) == [(5, 7, 6)]
    assert later.figures[durations]["bins"][:3] == [[0, 1], [1, 1], [2, 2]]
    assert later.figures[durations]["p50"] == 2


def test_an_absent_number_is_no_reading() -> None:
    people = figure("call_participants", "PT1H", TEN)
    found = told(record(call(1, TEN, 5)), record(call(2, TEN, 5, participants=4)), record(call(3, TEN, 5)))
    assert (value(found, people)[0], found.figures[people]["sum"]) == (1, 4)
    assert people not in told(record(call(1, TEN, 5))).figures


@pytest.mark.parametrize(
    ("later", "counted"), [(0, True), (35 * 24 * 3600 * 1000, True), (35 * 24 * 3600 * 1000 + 1, False)]
)
def test_an_event_counts_as_long_as_it_is_not_later_than_the_lateness(later: int, counted: bool) -> None:
    ahead = event(2, "chat.created", "2026-11-01T10:00:00Z", source="s2")
    now = ms(TEN) + later
    moment = f"2026-12-06T10:00:00.{later % 1000:03d}Z" if later else TEN
    records = [record(ahead | {"time": moment}), Record(b"acme", record(upload(1, TEN, 5)).value, now)]
    found = told(*records)
    assert (figure("bytes_uploaded", "P1D", DAY, "kind=a") in found.figures) is counted
    assert found.by_reason == ({} if counted else {Reason.TOO_LATE: 1})


def test_values_past_the_bound_of_a_window_are_counted_together() -> None:
    records = [record(upload(number, TEN, number, kind=kind)) for number, kind in enumerate("abcab", 1)]
    found = told(*records, max_series=2)
    named = [figure("bytes_uploaded", "P1D", DAY, f"kind={kind}") for kind in ("a", "b", "~other")]
    assert [value(found, each)[0] for each in named] == [1 + 4, 2 + 5, 3]
    assert figure("bytes_uploaded", "P1D", DAY, "kind=c") not in found.figures


def test_each_kind_by_itself() -> None:
    made = {kind: making_of(next(each for each in METERS.metrics.values() if each.kind is kind)) for kind in Kind}
    for member, number, time in (("x", 4, 10), ("y", 6, 20), ("x", 1, 5), ("x", None, 30), ("y", 0, 20)):
        for making in made.values():
            making.add(Brought(member, (), time, number))
    assert {kind: making.value for kind, making in made.items()} == {
        Kind.COUNT: 5,
        Kind.SUM: 11,
        Kind.DISTINCT: 2,
        Kind.GAUGE: 4,
        Kind.DISTRIBUTION: 4,
    }
    assert made[Kind.GAUGE].members == '"sources":2,'
    assert made[Kind.DISTRIBUTION].members.startswith('"sum":11,"min":0,"max":6,"p50":1,"p95":6,"p99":6,"bins":[[0,1],')
    assert made[Kind.COUNT].members == made[Kind.SUM].members == made[Kind.DISTINCT].members == ""


@pytest.mark.parametrize(("reading", "bin_of"), [(0, (0, 0)), (99, (99, 99)), (100, (100, 101)), (152, (150, 152))])
def test_a_bin_is_a_fiftieth_of_its_beginning_wide(reading: int, bin_of: tuple[int, int]) -> None:
    assert _bin(reading) == bin_of
