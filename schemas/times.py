"""Times and UTC windows: the one place where milliseconds become text, days and months."""

import datetime as dt
from functools import lru_cache

from schemas.limits import DAY_MS, HOUR_MS
from schemas.metrics import WindowSize

__all__ = ["bounds", "instant", "month_of", "start_of"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant(milliseconds: int, *, fraction: bool = False) -> str:
    """RFC 3339 UTC text, in seconds, or with ``fraction`` in milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z" if fraction else f"{_second(seconds)}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """The text of whole seconds: a round of emission writes the same few of them thousands of times."""
    return (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def month_of(milliseconds: int) -> tuple[int, int]:
    """Start and end of the UTC calendar month that holds the time."""
    moment = _EPOCH + dt.timedelta(milliseconds=milliseconds)
    start = dt.datetime(moment.year, moment.month, 1, tzinfo=dt.UTC)
    end = dt.datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1, tzinfo=dt.UTC)
    return int(start.timestamp()) * 1000, int(end.timestamp()) * 1000


def start_of(size: WindowSize, milliseconds: int) -> int:
    """Start of the tumbling window of ``size`` that holds the time; of a sliding one, start of its day."""
    if size is WindowSize.HOUR:
        return milliseconds - milliseconds % HOUR_MS
    if size is WindowSize.MONTH:
        return month_of(milliseconds)[0]
    return milliseconds - milliseconds % DAY_MS


def bounds(size: WindowSize, start: int) -> tuple[int, int]:
    """(start, end) of the tumbling window that begins at ``start``; of a sliding one, that ends with its day.

    For a sliding window ``start`` is the start of its *last* day, as :func:`start_of` gives it.
    """
    if size is WindowSize.HOUR:
        return start, start + HOUR_MS
    if size is WindowSize.DAY:
        return start, start + DAY_MS
    if size is WindowSize.MONTH:
        return month_of(start)
    days = size.sliding_days or 1
    return start - (days - 1) * DAY_MS, start + DAY_MS
