"""Ticks in the first fold: which count, what they close, and when one is due."""

from typing import Any

import pytest

from agents.core.shared.records import RawRecord
from agents.core.shared.windows import NEVER
from schemas.limits import DAY_MS, HOUR_MS
from schemas.reasons import Outcome
from schemas.times import parse_time
from tests.core.control_fold_kit import IDLE, NOON, bare, fold_of, good, run, tick


def test_a_stale_tick_is_nothing_and_what_is_refused_whole_makes_none_stale() -> None:
    fold = fold_of()
    run(fold, [good(0), RawRecord(1, NOON + 1, None, b"{"), bare(2, "footfall-tick", b"1", NOON + 2)])
    assert fold.entry.seen == NOON
    closing = fold.entry.closing_watermark
    run(fold, [tick(3, NOON + 1, NOON + HOUR_MS)])
    assert fold.entry.closing_watermark == closing
    run(fold, [tick(4, NOON, NOON + 2 * HOUR_MS)])
    assert fold.entry.closing_watermark == NOON + 2 * HOUR_MS - IDLE
    assert fold.entry.seen == NOON + 2 * HOUR_MS


@pytest.mark.parametrize(
    "event", [{"time": "2026-11-11T12:00:00Z"}, {"time": "2026-01-01T00:00:00Z"}, {"sequence": 0}, {"id": "x"}]
)
def test_every_event_of_right_form_and_key_counts_for_seen(event: dict[str, Any]) -> None:
    fold = fold_of()
    run(fold, [good(0), good(1, NOON + 7, **event)])
    assert fold.entry.seen == NOON + 7


def test_an_event_under_a_wrong_key_does_not() -> None:
    fold, wrong = fold_of(), good(1, NOON + 7)
    run(fold, [good(0), RawRecord(1, NOON + 7, b"other", wrong.value)])
    assert fold.entry.seen == NOON


def test_a_tick_is_due_when_it_would_close_something_and_nothing_came_for_a_while() -> None:
    fold = fold_of()
    run(fold, [good(0, NOON, time="2026-11-10T11:59:00Z")])
    closes = NOON + HOUR_MS  # of the hour from 11 to 12
    assert not fold.tick_due(closes + IDLE - 1, 0)
    assert fold.tick_due(closes + IDLE, 0)
    run(fold, [RawRecord(1, closes + IDLE - 1, None, b"junk")])  # postpones nothing
    assert fold.tick_due(closes + IDLE, 0)
    run(fold, [good(2, closes + 10, time="2026-11-10T11:59:00Z")])  # does, and closes nothing by its time
    assert not fold.tick_due(closes + 10 + IDLE - 1, 0)
    told = fold.tick()
    (folded,) = run(fold, [bare(3, "footfall-tick", told, closes + 10 + IDLE)])
    assert folded.outcomes == {Outcome.TICK: 1}
    assert not fold.tick_due(closes + 10 + 2 * IDLE, 0)


def test_a_month_closes_everywhere() -> None:
    fold, december = fold_of(), parse_time("2026-12-01T00:00:00Z")
    assert fold.entry.closing_watermark == NEVER
    assert not fold.tick_due(NOON + IDLE - 1, since=NOON)
    assert fold.tick_due(NOON + IDLE, since=NOON)  # all that is past
    run(fold, [bare(0, "footfall-tick", fold.tick(), NOON + IDLE)])
    assert fold.entry.closing_watermark == NOON
    assert not fold.tick_due(december + DAY_MS + IDLE - 1, since=NOON)
    assert fold.tick_due(december + DAY_MS + IDLE, since=NOON)
    run(fold, [bare(1, "footfall-tick", fold.tick(), december + DAY_MS + IDLE)])
    assert not fold.tick_due(december + 20 * DAY_MS, since=NOON)


def test_a_partition_of_nothing_but_junk_is_idle_since_its_assignment() -> None:
    fold = fold_of()
    run(fold, [RawRecord(0, NOON, None, b"junk")])
    assert not fold.tick_due(NOON + HOUR_MS, since=NOON + HOUR_MS)
    assert fold.tick_due(NOON + HOUR_MS + IDLE, since=NOON + HOUR_MS)
