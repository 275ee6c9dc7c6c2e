"""The compiled fast path reads what it reads as the strict path does, and says nothing about anything else."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.core.accept.fast_decode import reader_of
from agents.core.accept.fast_path import FastPathRun
from agents.core.accept.source import NO_TIME
from agents.core.accept.state import RawState
from agents.core.shared.records import RawRecord
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.fields import MOST_INT
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.times import parse_time
from tests.core.events_hostile import DAMAGED, EVENT, GOOD
from tests.core.stores import in_memory
from tests.core.test_fast_path import METERED, NEEDS_COMPILER, both
from tests.core.world import PSEUDONYMS

pytestmark = NEEDS_COMPILER
NOON = 1793527200000
EVENTS = st.lists(EVENT, min_size=1, max_size=6)
SPACE = st.text(" \t\r\n", max_size=2)
VALUES = (
    st.builds(lambda events: json.dumps(events).encode(), EVENTS)
    | st.builds(lambda events, space: json.dumps(events, indent=1).replace(" ", space).encode(), EVENTS, SPACE)
    | st.builds(lambda events, part: json.dumps(events).encode()[:-1] + b"," + part + b"]", EVENTS, DAMAGED)
    | st.builds(lambda event: json.dumps(event, ensure_ascii=False).encode(errors="replace"), EVENT)
    | DAMAGED
)


def test_its_limits_are_those_of_the_contract() -> None:
    from agents.core.native import fast_path  # noqa: PLC0415 - it may not be built

    assert fast_path.MOST_EVENTS == MAX_EVENTS
    assert fast_path.MOST_BYTES == MAX_RECORD_BYTES - 4096
    assert fast_path.MOST_INT == MOST_INT


@settings(max_examples=400, deadline=None)
@given(st.lists(VALUES, max_size=8), st.integers(1, 5))
def test_hostile_records_come_to_the_same(values: list[bytes], size: int) -> None:
    records = [RawRecord(offset, NOON, b"acme", value) for offset, value in enumerate(values)]
    both(records, METERED, 0, 1, size)


def know(state: RawState, company: str, source: str) -> None:
    pseudonym = PSEUDONYMS.source(company, source)
    state.sources.begin(company.encode() + b"|" + pseudonym, pseudonym, 0, None, []).last_time = 1 << 50


def taken(value: bytes) -> list[int]:
    """Times of the events that the compiled part takes of a record, whose sources are known."""
    return taken_of(value, BUILT_IN)


def taken_of(value: bytes, catalogue: Catalogue) -> list[int]:
    """As :func:`taken`, under a catalogue."""
    state = RawState(Deciding(clock_ahead=10**15, lateness=10**9, catalogue=catalogue), PSEUDONYMS, 0, 1)
    decode = reader_of(catalogue).decode
    names = {event.source for event in decode(RawRecord(0, NOON, b"acme", value)).events}
    for name in names:
        know(state, "acme", name)
    state.books.begin(NOON, -1, [])
    run = FastPathRun(state, [RawRecord(0, NOON, b"acme", value)])
    run.run(0)
    return list(state.builder.columns()[1])


def test_names_alike_in_many_companies_do_not_collide() -> None:
    """A table takes a name within 128 places or not at all, and what it does not take is folded the slow way."""
    state = RawState(Deciding(), PSEUDONYMS, 0, 1)
    companies = [f"company-{number}" for number in range(100)]
    for company in companies:
        know(state, company, GOOD["source"])
    state.books.begin(NOON, -1, [])
    records = [
        RawRecord(offset, NOON, company.encode(), json.dumps(event).encode())
        for offset, (user, company) in enumerate(itertools.product(range(100), companies))
        for event in [GOOD | {"company": company, "sequence": user, "data": {"user": f"user{user}@example.org"}}]
    ]
    assert FastPathRun(state, records).run(0) == (len(records), 0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sequence": 7},
        {"sequence": "7"},
        {"sequence": 0},
        {"sequence": None, "installation": None},
        {"installation": "elsewhere", "x": {"y": [1, -2.5e3, True, None, "\n"]}},
        {"data": {"user": "é" * 100}},
        {"data": None},
        {"data": {"user": None, "granted": True, "scope": "app", "more": [[]]}},
        {"type": "message.sent", "data": {"role": "user", "assistant": "not of its type"}},
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_in_no_doubt_is_taken(change: dict[str, Any], batch: int) -> None:
    events = [GOOD | change for _ in range(batch)]
    for number, event in enumerate(events):
        event["id"] = f"e{number}"
        if event.get("sequence") is not None:
            event["sequence"] = type(event["sequence"])(int(event["sequence"]) + number)
    value = json.dumps(events if batch > 1 else events[0], ensure_ascii=False, indent=1).encode()
    assert len(taken(value)) == batch


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T10:00:00Z",
        "2026-11-01t10:00:00z",
        "2024-02-29T23:59:59.999Z",
        "2026-11-01T10:00:00.1Z",
        "2026-11-01T10:00:00.12345678901234567890+02:00",
        "2026-12-31T23:59:59-23:59",
        "2001-01-01T00:00:00Z",
        "2998-12-31T23:59:59Z",
        "2400-02-29T00:00:00Z",
        "2026-03-01T00:00:00+00:01",
    ],
)
def test_times_are_read_as_they_are_elsewhere(text: str) -> None:
    assert taken(json.dumps(GOOD | {"time": text}).encode()) == [parse_time(text)]


@given(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.sampled_from(["Z", "+05:30", "-00:01", "", ".5Z", "+24:00"]),
)
def test_no_time_is_read_otherwise(text: str, tail: str) -> None:
    for time in taken(json.dumps(GOOD | {"time": text + tail}).encode()):
        assert time == parse_time(text + tail)


def test_a_batch_is_taken_up_to_what_is_in_doubt_and_the_rest_record_wise() -> None:
    events = [GOOD | {"id": f"e{number}", "sequence": number} for number in (0, 1, 2, 3, 1, 4, 5)]
    values = [json.dumps(GOOD | {"id": "first", "sequence": 100}).encode(), json.dumps(events).encode()]
    records = [RawRecord(offset, NOON, b"acme", value) for offset, value in enumerate(values)]
    ((count, chunk, rejections, *_),) = both(records, Deciding(), 0, 1, 10)
    assert (count, len(chunk.offsets), [each.path for each in rejections]) == (2, 7, ["/4"])


def test_many_names_of_every_kind_keep_their_numbers() -> None:
    events = [
        {
            **GOOD,
            "id": f"{number}",
            "source": f"s{number % 700}",
            "sequence": number,
            "type": "app.started",
            "data": {"user": f"u{number % 900}", "application": f"a{number % 300}", "version": "1", "environment": "e"},
        }
        for number in range(3000)
    ]
    records = [RawRecord(offset, NOON, b"acme", json.dumps(event).encode()) for offset, event in enumerate(events)]
    ((_, chunk, *_),) = both(records, Deciding(), 0, 1, 5000)
    assert [len(chunk.sources), len(chunk.users), len(chunk.shapes), len(chunk.offsets)] == [700, 900, 300, 3000]


def test_a_run_that_raised_is_not_followed_by_another() -> None:
    """It wrote past its rows: those of the run that raised were never handed over."""
    state, records = ready(8)
    run = FastPathRun(state, records)
    stop = [True]

    def user(*_: object) -> int:
        if stop:
            raise RuntimeError(stop.pop())
        return 0

    run.user = user  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="True"):
        run.run(0)
    for _ in range(50):
        with pytest.raises(RuntimeError, match="did not end"):
            run.run(0)


def test_a_run_within_a_run_is_refused() -> None:
    state, records = ready(3)
    run = FastPathRun(state, records)
    run.user = lambda *_: run.run(0)[0]  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="did not end"):
        run.run(0)


def ready(count: int) -> tuple[RawState, list[RawRecord]]:
    """A state that knows the source of so many records, each of its own user."""
    state = RawState(Deciding(), PSEUDONYMS, 0, 1)
    know(state, "acme", GOOD["source"])
    state.books.begin(NOON, -1, [])
    events = [GOOD | {"sequence": number, "data": {"user": f"u{number}"}} for number in range(count)]
    return state, [RawRecord(number, NOON, b"acme", json.dumps(event).encode()) for number, event in enumerate(events)]


EDGE = st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, NOON, NOON + 1, 2**63 - 2 * HOUR_MS])


@settings(max_examples=300, deadline=None)
@given(EDGE, EDGE.filter(lambda time: time >= -1), EDGE | st.just(2**63 - 1), EDGE | st.just(2**63 - 1), EDGE)
@example(-(2**63), 2**63 - 2 * HOUR_MS, 2**63 - 1, 2**63 - 1, NOON)
def test_numbers_at_the_edges_of_64_bits_decide_as_in_python(
    watermark: int, append_time: int, ahead: int, lateness: int, last_time: int
) -> None:
    state, records = ready(2)
    state.deciding = Deciding(clock_ahead=ahead, lateness=lateness)
    state.entry.event_watermark, state.entry.append_time, state.size = watermark, append_time, -(2**63)
    state.books.begin(append_time, -1, [])
    for source in in_memory(state.sources).values():
        source.last_time = last_time
    wanted, time = [], parse_time(GOOD["time"])
    for record in records:
        now, moved = max(append_time, record.append_time), max(watermark, time)
        is_late = time < watermark - lateness or NO_TIME < last_time < moved - lateness
        if time > now + ahead or is_late or now >= state.books.end or last_time == NO_TIME:
            break
        wanted.append(record.offset)
        append_time, watermark, last_time = now, moved, max(last_time, time)
    FastPathRun(state, records).run(0)
    assert list(state.builder.columns()[0]) == wanted
