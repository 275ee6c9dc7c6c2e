"""When windows begin, end, show and close; all times milliseconds since 1970 UTC.

A window is held by its *anchor*: the start of a tumbling window, of a sliding one the start of the day it
ends with.
"""

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

from schemas.catalogue.metrics import WindowSize
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.times import bounds, start_of

__all__ = ["NEVER", "Span", "anchor_of", "day_of", "month_start_day", "parse_instant", "span_of"]

NEVER = -1
"""A watermark before the first event."""


class Span(NamedTuple):
    """One window: half-open ``start``..``end``.

    It closes when the closing watermark is at or past ``closes``; a sliding one is shown (emitted) once that
    is at or past ``shows``, the start of its last day, a tumbling one at once.
    """

    size: WindowSize
    start: int
    end: int
    shows: int
    closes: int


@lru_cache(maxsize=16_384)
def span_of(size: WindowSize, anchor: int, deciding: Deciding) -> Span:
    """The window of ``size`` at ``anchor``; one object for all companies."""
    start, end = bounds(size, anchor)
    grace = deciding.grace_hour if size is WindowSize.HOUR else deciding.grace_day
    shows = NEVER if size.sliding_days is None else end - DAY_MS
    return Span(size, start, end, shows, end + grace)


@lru_cache(maxsize=16_384)
def anchor_of(size: WindowSize, time: int) -> int:
    """The anchor of the window that holds ``time``, of a sliding one the anchor of the one that ends that day.

    Meant for whole hours, so that the cache serves.
    """
    return start_of(size, time)


def day_of(time: int) -> int:
    """The UTC day, counted from 1970-01-01."""
    return time // DAY_MS


@lru_cache(maxsize=4096)
def month_start_day(day: int) -> int:
    """The first day of the calendar month of ``day``, both counted from 1970-01-01."""
    return start_of(WindowSize.MONTH, day * DAY_MS) // DAY_MS


@lru_cache(maxsize=16_384)
def parse_instant(text: str) -> int:
    """The time that :func:`schemas.times.instant` wrote, in milliseconds; raises ValueError for other text."""
    return int(dt.datetime.fromisoformat(text).timestamp()) * 1000
