"""What a replay is asked for: read as it was noted, and the windows that its period cuts, beside a walk over all."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.replay.refold import Period
from pipeline.errors import StartupError
from pipeline.replay.request import LeftOut, Request, ask, left_out, parallel_name, whole_hour
from pipeline.settings.settings import Settings
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.metrics import WindowSize
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import bounds, instant, start_of

START = 1_793_491_200_000
"""2026-11-01."""
HOURS = st.integers(-40 * 24, 40 * 24)
METRICS = ("user_messages", "wau", "mau", "dau")
SIZES = {size: [name for name in METRICS if size in BUILT_IN.metrics[name].windows] for size in WindowSize}


def cut_windows(size: WindowSize, period: Period) -> tuple[list[int], list[int]]:
    """Anchors of all windows that reach out of the period: before its begin, or past its end.

    A tumbling one holds a time of it, a sliding one has its last day in it.
    """
    end = START + 400 * DAY_MS if period.end is None else period.end
    step = HOUR_MS if size is WindowSize.HOUR else DAY_MS
    before, past = set[int](), set[int]()
    for time in range(start_of(size, period.begin), end + 31 * DAY_MS, step):
        anchor = start_of(size, time)
        first, after = bounds(size, anchor)
        if after <= period.begin or anchor >= end:
            continue
        if first < period.begin:
            before.add(anchor)
        elif period.end is not None and after > period.end:
            past.add(anchor)
    return sorted(before), sorted(past)


@settings(max_examples=60, deadline=None)
@given(HOURS, st.none() | st.integers(1, 60 * 24))
def test_what_is_left_out_is_every_window_that_the_period_cuts(begin: int, hours: int | None) -> None:
    first = START + begin * HOUR_MS
    period = Period(first, None if hours is None else first + hours * HOUR_MS, METRICS)
    found = left_out(period, BUILT_IN)
    assert [each.size for each in found] == sorted((each.size for each in found), key=[*WindowSize].index)
    for size, names in SIZES.items():
        told = [each for each in found if each.size is size]
        before, past = cut_windows(size, period)
        assert [(each.first, each.last) for each in told if each.include is not None] == span(before)
        assert [(each.first, each.last) for each in told if each.include is None] == span(past)
        assert all(each.metrics == tuple(names) for each in told)
        assert all(each.include is None or each.include == bounds(size, each.first)[0] for each in told)


def span(anchors: list[int]) -> list[tuple[int, int]]:
    return [(anchors[0], anchors[-1])] if anchors else []


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (
            LeftOut(WindowSize.MONTH, ("dau", "mau"), START, START, START),
            "dau, mau P1M of 2026-11-01: reaches before --from; --from 2026-11-01 is needed",
        ),
        (
            LeftOut(WindowSize.DAY, ("dau",), START, START + DAY_MS, None),
            "dau P1D of 2026-11-01 to 2026-11-02: reaches past --to",
        ),
        (
            LeftOut(WindowSize.HOUR, ("prompts",), START, START + HOUR_MS, None),
            "prompts PT1H of 2026-11-01T00:00:00Z to 2026-11-01T01:00:00Z: reaches past --to",
        ),
    ],
)
def test_what_is_left_out_is_said_in_a_line(cut: LeftOut, text: str) -> None:
    assert str(cut) == text


@given(HOURS, st.none() | HOURS, st.sampled_from(["clean", "raw"]), st.booleans(), st.lists(st.integers(0, 2**62)))
def test_a_note_is_read_as_it_was_written(begin: int, end: int | None, source: str, gap: bool, ends: list[int]) -> None:
    until = None if end is None else START + end * HOUR_MS
    request = Request(Period(START + begin * HOUR_MS, until, METRICS), source, gap, "a" * 16)
    assert Request.read(request.note(ends)) == (request, ends)


NOTE = json.loads(Request(Period(START, None, METRICS), "clean", False, "a").note([1]))


@pytest.mark.parametrize(
    "told",
    [
        *({name: NOTE[name] for name in NOTE if name != missing} for missing in NOTE),
        NOTE | {"more": 1},
        NOTE | {"from": None},
        NOTE | {"from": "2026-13-01T00:00:00Z"},
        NOTE | {"to": 5},
        NOTE | {"metrics": None},
        NOTE | {"ends": 7},
        [],
        7,
        None,
        "from",
    ],
)
def test_a_note_of_another_form_is_told_from_one(told: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Request.read(json.dumps(told).encode())


@given(HOURS)
def test_a_whole_hour_is_read_in_its_spellings_and_nothing_else_is(hour: int) -> None:
    time = START + hour * HOUR_MS
    assert whole_hour("--from", instant(time)) == time
    assert whole_hour("--from", instant(time, fraction=True).lower()) == time
    if time % DAY_MS == 0:
        assert whole_hour("--from", instant(time)[:10]) == time
    for wrong in (instant(time + 1000), instant(time + 1, fraction=True), instant(time)[:13], f"{instant(time)[:10]} "):
        with pytest.raises(StartupError) as refused:
            whole_hour("--from", wrong)
        assert "--from" in refused.value.what


@pytest.mark.usefixtures("no_settings")
def test_a_request_holds_what_was_asked_and_the_part_of_the_digest_that_decides() -> None:
    given_settings = Settings()
    found = ask(given_settings, "2026-11-01", "2026-11-02T05:00:00Z", ["wau", "dau", "wau"], "raw", True)
    assert found.period == Period(START, START + 29 * HOUR_MS, ("dau", "wau"))
    assert (found.source, found.accept_gap) == ("raw", True)
    assert given_settings.digest().startswith(found.digest)
    every = ask(given_settings, "2026-11-01", None, [], "clean", False).period
    free = {name for name, kind in BUILT_IN.types.items() if isinstance(kind.passive, str)}
    assert set(every.metrics) == {name for name, metric in BUILT_IN.metrics.items() if metric.event_type not in free}
    for suffix in ("", "a.b", "a b", "x" * 41, "ä", "a\n"):
        with pytest.raises(StartupError, match="bad --into"):
            parallel_name(given_settings, suffix)
    assert parallel_name(given_settings, "x" * 40) == "footfall.aggregates.v1." + "x" * 40
