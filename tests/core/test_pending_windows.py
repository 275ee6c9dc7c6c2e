"""Sliding windows that lie ahead: runs of days, and figures that are the same wherever a log is cut or left alone."""

import json
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.count.kinds.activity import add_day, neighbours
from agents.core.count.pending_windows import PendingWindows, Run, added, pending_key, read_pending, sliding_ends
from agents.core.count.state import StateError, alive, name_of
from agents.core.shared.joins import ENTRY_KEY, fence_of, payload_of, seal
from agents.core.shared.windows import span_of
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.verify import compare
from schemas.catalogue.metrics import METRICS
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from schemas.wire.aggregates import aggregate_id
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, START, random_log
from tests.core.world import World

CHANGES = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(1, 3)), max_size=12)
SLIDES = AggregateFold(DECIDING, 0).plan.slides


def days_of(runs: list[Run]) -> dict[int, tuple[int, int]]:
    return {day: (run.value, run.last) for run in runs for day in range(run.begin, run.end)}


@given(CHANGES)
def test_runs_are_days_written_short(changes: list[tuple[int, int, int]]) -> None:
    runs: list[Run] = []
    days: dict[int, tuple[int, int]] = {}
    for offset, (begin, length, by) in enumerate(changes):
        runs = added(runs, begin, begin + length, by, offset)
        for day in range(begin, begin + length):
            days[day] = days.get(day, (0, -1))[0] + by, offset
    assert days_of(runs) == days
    assert all(run.begin < run.end for run in runs)
    for one, other in pairwise(runs):
        assert one.end < other.begin or (one.end == other.begin and one[2:] != other[2:])


@given(CHANGES, st.integers(-1, 30), st.integers(0, 30), st.integers(0, 30))
def test_what_is_reached_leaves_what_lies_ahead(
    changes: list[tuple[int, int, int]], through: int, day: int, shown: int
) -> None:
    ahead, days = PendingWindows(through, 2), dict[int, tuple[int, int]]()
    for offset, (begin, length, by) in enumerate(changes):
        ahead.add(1, (begin, begin + length), by, offset)
        for end in range(max(begin, through + 1), begin + length):
            days[end] = days.get(end, (0, -1))[0] + by, offset
    assert days_of([run for _, run in ahead.shown(shown, day)]) == {
        end: told for end, told in days.items() if shown < end <= day
    }
    left = ahead.reach(day)
    assert ahead.through == max(through, day)
    assert {place for place, _ in left} <= {1}
    assert days_of([run for _, run in left]) == {end: told for end, told in days.items() if end <= day}
    assert days_of(ahead.runs[1]) == {end: told for end, told in days.items() if end > day}
    assert ahead.last_day == max([ahead.through, *(end for end in days if end > day)])


@given(st.lists(st.integers(100, 170), min_size=1, max_size=30), st.sampled_from([7, 30]))
def test_a_user_is_once_in_each_window_of_an_active_day(days: list[int], length: int) -> None:
    packed, found, seen = None, dict[int, int](), set[int]()
    for day in days:
        before, after = (-1, -1) if packed is None else neighbours(packed, day)
        changed = add_day(packed, day, 100)
        if changed is None:
            continue
        for end in range(*sliding_ends(length, day, before, after)):
            found[end] = found.get(end, 0) + 1
        packed = changed
        seen.add(day)
    assert found == dict.fromkeys({day + later for day in seen for later in range(length)}, 1)


def test_a_value_of_another_shape_is_told() -> None:
    for wrong in (None, [1], [1, {"mau|P30D": [[1, 2, 3]]}], [1, []]):
        with pytest.raises(StateError):
            read_pending(seal(1, wrong))
    fold = AggregateFold(DECIDING, 0)
    state = [(ENTRY_KEY, fold.entry.write()), (pending_key("acme"), seal(1, (3, {"nobody|P7D": []})))]
    with pytest.raises(StateError):
        fold.restore(state)


def sparse_log(seed: int, count: int = 90) -> list[StoredRecord]:
    """A year in which companies are silent for days and months: what lies ahead is shown, closes and expires unseen."""
    choose = random.Random(seed)
    now, found = START, list[StoredRecord]()
    for offset in range(count):
        now += choose.choice([0, HOUR_MS, 7 * HOUR_MS, DAY_MS, DAY_MS, 3 * DAY_MS, 12 * DAY_MS])
        company = choose.choice(["acme", "beta", "c-3", "acme", "d", "e5"])
        behind = choose.choice([0, 0, 0, 5 * HOUR_MS, 2 * DAY_MS, -500_000])
        event = {
            "specversion": "1.0",
            "id": f"i{offset}",
            "source": "s",
            "type": "chat.created",
            "company": company,
            "time": instant(now - behind, fraction=True),
            "data": {"user": f"u{choose.randrange(3)}"},
        }
        found.append(StoredRecord(0, offset, now, company.encode(), json.dumps(event).encode(), ()))
    return found


def folded(stored: list[StoredRecord], choose: random.Random | None, *, recover_each: bool = False) -> World:
    world = World(DECIDING, 1, lambda left: left if choose is None else choose.randint(1, min(left, 8)))
    world.append(stored)
    while world.first_fold(0).entry.fence + 1 < len(world.raw[0]):
        world.anonymize(0, chunks=10**9 if choose is None else 1)
        world.aggregate(0, recover_each=recover_each)
    return world


@pytest.mark.parametrize("seed", range(40))
def test_companies_long_silent_equal_the_oracle(seed: int) -> None:
    stored = sparse_log(seed)
    expected = expected_of(stored, DECIDING, 1)
    world = folded(stored, random.Random(seed), recover_each=seed % 2 == 0)
    assert len(expected.figures) > 1000
    assert compare(world.figures(), expected.figures, sink_watermarks=False) == []
    assert len({key for key, _ in world.sink}) == len(expected.figures)


def state_of(world: World) -> dict[bytes, object]:
    """What is alive in the end, without fences."""
    _, found, _ = alive(world._joined("second", 0).items(), DECIDING)
    return {key: payload_of(value) for key, value in found.items()}


@pytest.mark.parametrize("make", [sparse_log, lambda seed: [each for each in random_log(seed) if each.partition == 0]])
@pytest.mark.parametrize("seed", range(20))
def test_the_state_does_not_depend_on_where_the_log_is_cut(make: object, seed: int) -> None:
    stored = make(seed)  # type: ignore[operator]
    whole, cut = (state_of(folded(stored, choose)) for choose in (None, random.Random(seed)))
    assert any(key[:1] == b"w" for key in whole)
    assert cut == whole


def as_the_release_before(world: World) -> Iterator[tuple[bytes, bytes]]:
    """The state with a figure for each window ahead, as it was written before."""
    for key, value in world._joined("second", 0).items():
        if key[:1] != b"w":
            yield key, value
            continue
        _, named = read_pending(value)
        for slide in SLIDES:
            for run in named[slide.name]:
                for day in range(run.begin, run.end):
                    start = span_of(slide.size, day * DAY_MS, DECIDING).start
                    identity = aggregate_id(key[1:].decode(), slide.metric.name, slide.size.value, start)
                    yield b"f" + identity.encode(), seal(fence_of(value), (run.value, run.last, False))


@pytest.mark.parametrize("seed", range(20))
def test_the_state_of_the_release_before_is_gone_on_with(seed: int) -> None:
    stored = sparse_log(seed)
    expected = expected_of(stored, DECIDING, 1)
    choose = random.Random(seed)
    world = World(DECIDING, 1, lambda left: min(left, 5))
    world.append(stored)
    turn = choose.randrange(1, len(stored) // 5)
    world.anonymize(0, chunks=turn)
    world.aggregate(0)
    world.state["second", 0] = list(as_the_release_before(world))
    assert not any(key[:1] == b"w" for key, _ in world.state["second", 0])
    while world.first_fold(0).entry.fence + 1 < len(world.raw[0]):
        world.anonymize(0, chunks=choose.randint(1, 4))
        world.aggregate(0, recover_each=True)
    assert compare(world.figures(), expected.figures, sink_watermarks=False) == []


def test_a_company_costs_one_key_for_all_that_lies_ahead() -> None:
    world = folded(sparse_log(1, 1), None)
    keys = [key for key, _ in world.state["second", 0]]
    sliding = sum(size.sliding_days is not None for metric in METRICS.values() for size in metric.windows)
    assert sum(key[:1] == b"w" for key in keys) == 1
    assert sum(b"|P7D|" in key or b"|P30D|" in key for key in keys) == sliding


def test_a_company_that_comes_back_while_its_past_waits_to_be_deleted_keeps_what_lies_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.core.count.expiry._MOST_TOMBSTONES", 3)
    at = [("acme", START), ("beta", START + 100 * DAY_MS), ("acme", START + 100 * DAY_MS)]
    at += [("beta", START + 101 * DAY_MS)] * 60 + [("beta", START + 120 * DAY_MS)]
    stored = [
        StoredRecord(0, offset, now, company.encode(), event_of(offset, company, now), ())
        for offset, (company, now) in enumerate(at)
    ]
    world = World(DECIDING, 1, lambda left: 1)
    world.append(stored)
    world.anonymize(0)
    world.aggregate(0)
    deleted = [key for key, value in world.state["second", 0] if value is None]
    assert len(deleted) > 10
    assert pending_key("acme") not in deleted
    assert compare(world.figures(), expected_of(stored, DECIDING, 1).figures) == []


def event_of(offset: int, company: str, now: int) -> bytes:
    told = {"specversion": "1.0", "id": f"i{offset}", "source": "s", "type": "chat.created", "company": company}
    return json.dumps(told | {"time": instant(now), "data": {"user": "u"}}).encode()


def one_silent_company(days: int) -> World:
    """``acme`` once, then others for so many days."""
    at = [("acme", START)] + [("beta", START + day * DAY_MS) for day in range(1, days)]
    world = World(DECIDING, 1, lambda left: 1)
    world.append(
        StoredRecord(0, offset, now, company.encode(), event_of(offset, company, now), ())
        for offset, (company, now) in enumerate(at)
    )
    world.anonymize(0)
    world.aggregate(0)
    return world


def test_a_recovery_tells_again_what_was_shown_while_it_lay_ahead() -> None:
    world = one_silent_company(4)
    told = {key: value for key, value in world.sink if key.startswith(b"acme|mau|")}
    assert len(told) == 4
    emission = Emission(world.second_fold(0))
    again = [emission.again(key.decode()) for key in told]
    assert [key for key, _ in filter(None, again)] == [*told]
    later = f"acme|mau|P30D|{instant(START - 25 * DAY_MS)}|"
    assert emission.again(later) is None


def test_who_comes_back_brings_no_dead_window_back() -> None:
    world = one_silent_company(20)
    before = len(world.state["second", 0])
    now = START + 20 * DAY_MS
    world.append([StoredRecord(0, 20, now, b"acme", event_of(20, "acme", now), ())])
    world.anonymize(0)
    world.aggregate(0)
    rows = world.state["second", 0]
    written = {key for key, value in rows[before:] if value is not None}
    assert {key for key, value in rows if value is None} <= {key for key, value in rows if value is not None}
    entry, _, _ = alive(world._joined("second", 0).items(), DECIDING)
    ends = [name_of(key[1:].decode()).anchor + DAY_MS for key in written if key[:1] == b"f" and b"|mau|" in key]
    assert 2 < len(ends) < 8
    assert all(end > entry.event_watermark - DECIDING.lateness - DAY_MS for end in ends)
