"""Times and UTC windows: the one place where text becomes milliseconds, and these text, days and months."""

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from schemas.catalogue.metrics import WindowSize
from schemas.limits import DAY_MS, HOUR_MS, MAX_YEAR, MIN_YEAR

__all__ = ["INSTANT", "LAST_TIME", "bounds", "instant", "month_of", "parse_tail", "parse_time", "start_of"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)
_FIRST = (dt.datetime(MIN_YEAR, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _SECOND * 1000
_END = (dt.datetime(MAX_YEAR + 1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _SECOND * 1000
INSTANT: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
"""The pattern of :func:`instant` without a fraction."""
LAST_TIME: Final = _END - 1
"""The last millisecond that an event may have as its time."""
_HEAD = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)", re.ASCII)
_TAIL = re.compile(r"(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
_HEAD_LENGTH = len("2026-11-01T10:12:03")


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


def parse_tail(text: str) -> int:
    """Milliseconds that the part after the seconds (``.123+02:00``) adds to the UTC time; ValueError if malformed."""
    tail = _TAIL.fullmatch(text)
    if tail is None:
        raise ValueError("not an RFC 3339 time")
    fraction, sign, hours, minutes = tail.groups()
    milliseconds = int(fraction[:3].ljust(3, "0")) if fraction else 0
    if sign is None:
        return milliseconds
    offset = (int(hours) * 60 + int(minutes)) * 60_000
    return milliseconds - offset if sign == "+" else milliseconds + offset


def parse_time(text: str) -> int:
    """Milliseconds since 1970 UTC of an RFC 3339 time, further digits cut off.

    Raises ValueError where it is none, has no offset, has a leap second or lies outside the UTC years
    2000 to 2999; the message holds nothing of ``text``.
    """
    head = _HEAD.fullmatch(text, 0, _HEAD_LENGTH)
    if head is None:
        raise ValueError("not an RFC 3339 time")
    year, month, day, hour, minute, second = map(int, head.groups())
    moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    time = (moment - _EPOCH) // _SECOND * 1000 + parse_tail(text[_HEAD_LENGTH:])
    if not _FIRST <= time < _END:
        raise ValueError("year out of range")
    return time
