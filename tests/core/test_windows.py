"""Windows against the calendar: every instant is in one window of each size, and a window says when it closes."""

import calendar
import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.accept.open_windows import OpenWindows
from agents.core.shared.windows import NEVER, anchor_of, day_of, month_start_day, parse_instant, span_of
from schemas.catalogue.metrics import WindowSize
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import bounds, instant, month_of, parse_tail, parse_time, start_of

FIRST, LAST = 946_684_800_000, 32_503_679_999_999
"""The first and the last millisecond of the years 2000 to 2999."""
TIME = st.integers(FIRST, LAST)
TUMBLING = [WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH]
SLIDING = [size for size in WindowSize if size.sliding_days]
DECIDING = Deciding()
GRACE = replace(DECIDING, grace_hour=7 * HOUR_MS, grace_day=9 * HOUR_MS)


def utc(time: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=time)


def ms(*parts: int) -> int:
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]


@given(st.sampled_from(TUMBLING), TIME)
def test_every_instant_is_in_one_tumbling_window_of_a_size(size: WindowSize, time: int) -> None:
    start, end = bounds(size, start_of(size, time))
    assert start <= time < end
    for inside in (start, end - 1):
        assert bounds(size, start_of(size, inside)) == (start, end)
    assert start_of(size, start - 1) < start
    assert bounds(size, start_of(size, start - 1))[1] == start
    assert bounds(size, start_of(size, end))[0] == end


@given(TIME)
def test_windows_begin_where_the_calendar_says(time: int) -> None:
    moment = utc(time)
    wanted = {
        WindowSize.HOUR: moment.replace(minute=0, second=0, microsecond=0),
        WindowSize.DAY: moment.replace(hour=0, minute=0, second=0, microsecond=0),
        WindowSize.MONTH: moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
    }
    assert {size: utc(start_of(size, time)) for size in TUMBLING} == wanted
    start, end = month_of(time)
    assert end - start == calendar.monthrange(moment.year, moment.month)[1] * DAY_MS
    assert month_start_day(day_of(time)) == day_of(start)


@pytest.mark.parametrize(
    ("year", "days"), [(2000, 29), (2023, 28), (2024, 29), (2100, 28), (2400, 29), (2900, 28), (2996, 29)]
)
def test_a_february_has_the_days_of_its_year(year: int, days: int) -> None:
    start, end = ms(year, 2, 1), ms(year, 3, 1)
    assert end - start == days * DAY_MS
    assert {month_of(time) for time in (start, start + 14 * DAY_MS, end - 1)} == {(start, end)}
    assert month_of(end)[0] == end


def test_the_months_of_a_year_follow_each_other_past_its_end() -> None:
    at, lengths = ms(2027, 1, 1), []
    for _ in range(13):
        start, end = month_of(at)
        assert start == at
        lengths.append((end - start) // DAY_MS)
        at = end
    assert lengths == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31]


@given(st.sampled_from(SLIDING), TIME)
def test_a_day_is_in_as_many_sliding_windows_as_they_are_days_long(size: WindowSize, time: int) -> None:
    days = size.sliding_days or 0
    day = start_of(size, time)
    held = [
        end for end in range(day - 2 * days * DAY_MS, day + 2 * days * DAY_MS, DAY_MS) if holds(bounds(size, end), time)
    ]
    assert held == [day + later * DAY_MS for later in range(days)]
    assert [bounds(size, end)[1] - bounds(size, end)[0] for end in held] == [days * DAY_MS] * days


def holds(window: tuple[int, int], time: int) -> bool:
    return window[0] <= time < window[1]


@given(st.sampled_from(WindowSize), TIME)
def test_a_span_closes_its_grace_after_its_end_and_a_sliding_one_shows_with_its_last_day(
    size: WindowSize, time: int
) -> None:
    anchor = anchor_of(size, time - time % HOUR_MS)
    span = span_of(size, anchor, GRACE)
    assert (span.start, span.end) == bounds(size, anchor)
    assert span.closes - span.end == (7 if size is WindowSize.HOUR else 9) * HOUR_MS
    assert span.shows == (span.end - DAY_MS if size.sliding_days else NEVER)
    assert span_of(size, anchor, GRACE) is span
    assert span_of(size, anchor, DECIDING).end == span.end


@given(TIME, st.booleans())
def test_open_windows_are_those_that_an_event_falls_into(time: int, active: bool) -> None:
    deciding = replace(GRACE, catalogue=Deciding().catalogue)
    windows = OpenWindows(deciding)
    windows.fell(time // HOUR_MS, active=active)
    wanted = {bounds(size, start_of(size, time))[1] + graced(size) for size in TUMBLING}
    for size in SLIDING if active else ():
        day = start_of(size, time)
        wanted |= {day + (later + 1) * DAY_MS + graced(size) for later in range(size.sliding_days or 0)}
    assert windows.above(-1) == sorted(wanted)
    middle = sorted(wanted)[len(wanted) // 2]
    left = [at for at in sorted(wanted) if at > middle]
    assert windows.above(middle) == left
    assert windows.above(-1) == left
    assert OpenWindows(deciding, tuple(left)).above(middle) == left
    windows.fell(time // HOUR_MS, active=active)
    assert windows.above(-1) == sorted(wanted)


def graced(size: WindowSize) -> int:
    return GRACE.grace_hour if size is WindowSize.HOUR else GRACE.grace_day


@given(TIME, st.integers(0, 9), st.integers(-(23 * 60 + 59), 23 * 60 + 59))
def test_an_instant_is_read_in_every_spelling_that_is_allowed(time: int, digits: int, offset: int) -> None:
    if not FIRST <= time + offset * 60_000 <= LAST:
        return
    local = utc(time + offset * 60_000).strftime("%Y-%m-%dT%H:%M:%S")
    sign = "-" if offset < 0 else "+"
    zone = f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    fraction = f"{time % 1000:03d}999999"[: max(digits, 3)]
    assert parse_time(f"{local}.{fraction}{zone}") == time
    assert parse_time(f"{local}{zone}") == time - time % 1000
    assert parse_time(instant(time, fraction=True).lower()) == time
    assert parse_instant(instant(time)) == time - time % 1000


@pytest.mark.parametrize(
    ("tail", "added"),
    [("Z", 0), (".5Z", 500), (".05z", 50), (".0019999Z", 1), ("+00:30", -1_800_000), (".1-01:00", 3_600_100)],
)
def test_what_follows_the_seconds(tail: str, added: int) -> None:
    assert parse_tail(tail) == added


SECOND = "2026-11-01T10:00:00"
WRONG_TIMES = [
    "", "2026-11-01", SECOND, f" {SECOND}Z", f"{SECOND}Z ", f"{SECOND}Z\n", f"{SECOND}.Z", f"{SECOND},5Z",
    f"{SECOND}+24:00", f"{SECOND}+01:60", f"{SECOND}+0100", f"{SECOND}+01", f"{SECOND}ZZ", "2026-11-01 10:00:00Z",
    "2026-11-31T10:00:00Z", "2026-02-29T10:00:00Z", "2100-02-29T10:00:00Z", "2026-11-01T24:00:00Z",
    "2026-11-01T10:00:60Z", "20261101T100000Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00+00:01",
    "3000-01-01T00:00:00Z", "2999-12-31T23:59:59-00:01", "٢٠٢٦-11-01T10:00:00Z", f"{SECOND}.\u0665Z",
    "+026-11-01T10:00:00Z", "-2026-11-01T10:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG_TIMES)
def test_what_is_no_time_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_time(text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(("text", "time"), [("2000-01-01T00:01:00+00:01", FIRST), ("2999-12-31T23:59:59.999Z", LAST)])
def test_the_first_and_the_last_time_are_taken(text: str, time: int) -> None:
    assert parse_time(text) == time
