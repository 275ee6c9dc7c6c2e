"""What a replay was asked for, checked, and as the note that its sink begins with."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import orjson

from agents.core.replay.refold import Period
from pipeline.errors import StartupError
from pipeline.settings.settings import Settings
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.metrics import WindowSize
from schemas.deciding import fold_digest
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import bounds, instant, parse_time, start_of
from schemas.topics import topic_name

__all__ = ["NOTE_KEY", "SOURCES", "LeftOut", "Request", "ask", "left_out", "parallel_name", "whole_hour"]

NOTE_KEY: Final = b"footfall-replay"
"""Key of the note that a replay's sink begins with; no aggregate id is like it."""
SOURCES: Final = ("clean", "raw")
_SUFFIX: Final = re.compile("[A-Za-z0-9_-]{1,40}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LONGEST_NAME: Final = 249


_NOTED = {"from", "to", "metrics", "source", "accept_gap", "digest", "ends"}


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments that decide what comes out; ``digest`` is the part of the fold digest before the dash."""

    period: Period
    source: str
    accept_gap: bool
    digest: str

    def note(self, ends: list[int]) -> bytes:
        """As JSON, with the end of each clean partition up to which is folded."""
        begin, end, metrics = self.period
        return orjson.dumps(
            {
                "from": instant(begin),
                "to": None if end is None else instant(end),
                "metrics": metrics,
                "source": self.source,
                "accept_gap": self.accept_gap,
                "digest": self.digest,
                "ends": ends,
            }
        )

    @classmethod
    def read(cls, note: bytes) -> tuple["Request", list[int]]:
        """The inverse of :meth:`note`; raises ValueError, KeyError or TypeError where it is none."""
        fields: dict[str, Any] = orjson.loads(note)
        if {*fields} != _NOTED:
            raise ValueError("a note of another release")
        end = None if fields["to"] is None else parse_time(fields["to"])
        period = Period(parse_time(fields["from"]), end, tuple(fields["metrics"]))
        return cls(period, fields["source"], fields["accept_gap"], fields["digest"]), list(fields["ends"])


def ask(
    settings: Settings, begin: str | None, end: str | None, metrics: Iterable[str], source: str, accept_gap: bool
) -> Request:
    """The arguments as they were given; refuses what is not to be had."""
    if begin is None:
        raise StartupError("--from is missing", "give the UTC day or hour to begin with, such as 2026-11-01")
    deciding = settings.deciding()
    until = None if end is None else whole_hour("--to", end)
    period = Period(whole_hour("--from", begin), until, _metrics(metrics, deciding.catalogue))
    if period.end is not None and period.end <= period.begin:
        raise StartupError(f"--to {end} is not after --from {begin}", "give a period that is not empty")
    if source not in SOURCES:
        raise StartupError(f"unknown --source {source}", "it is clean or raw")
    return Request(period, source, accept_gap, fold_digest(deciding).partition("-")[0])


def parallel_name(settings: Settings, suffix: str | None) -> str:
    """The topic of a replay; refuses a suffix that makes none."""
    if suffix is None:
        raise StartupError("--into is missing", "give a short name for the sink to replay into")
    name = f"{topic_name(settings.topic_prefix, 'aggregates')}.{suffix}"
    if not _SUFFIX.fullmatch(suffix) or len(name) > _LONGEST_NAME:
        raise StartupError(f"bad --into {suffix[:60]!r}", "it must be 1 to 40 characters of A-Za-z0-9_-")
    return name


def whole_hour(option: str, text: str) -> int:
    """Milliseconds of a UTC day or of a whole UTC hour; refuses anything else."""
    try:
        time = parse_time(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except ValueError:
        time = 1
    if time % HOUR_MS:
        raise StartupError(
            f"bad {option} {text[:40]!r}", "it must be a day or a whole hour in UTC: 2026-11-01 or 2026-11-01T10:00:00Z"
        )
    return time


def _metrics(names: Iterable[str], catalogue: Catalogue) -> tuple[str, ...]:
    wanted, known = set(names), catalogue.metrics
    for name in sorted(wanted):
        if name not in known:
            raise StartupError(f"unknown metric {name[:60]}", f"it is one of {', '.join(known)}")
    # A word of consent may be far ahead of its time or behind it, so no stretch of clean is sure to hold all of a day.
    free = {name for name, kind in catalogue.types.items() if isinstance(kind.passive, str)}
    unfit = sorted(name for name in wanted if known[name].event_type in free)
    if unfit:
        raise StartupError(f"metric {unfit[0]} cannot be replayed", "its events are not bound to the time they come at")
    return tuple(
        name for name, metric in known.items() if metric.event_type not in free and (not wanted or name in wanted)
    )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Windows of one size that touch the period but reach out of it."""

    size: WindowSize
    metrics: tuple[str, ...]
    first: int
    last: int
    """The first and the last of them, by the start of the window, of a sliding one of its last day; ms."""
    include: int | None
    """The ``--from`` that would have included the first; None where they reach past ``--to``."""

    def __str__(self) -> str:
        day = WindowSize.HOUR is not self.size
        first, last = (instant(at)[:10] if day else instant(at) for at in (self.first, self.last))
        of = first if first == last else f"{first} to {last}"
        reach = "past --to" if self.include is None else f"before --from; --from {instant(self.include)[:10]} is needed"
        return f"{', '.join(self.metrics)} {self.size.value} of {of}: reaches {reach}"


def left_out(period: Period, catalogue: Catalogue) -> list[LeftOut]:
    """The windows that the period cuts; by size, those before it first."""
    by_size: dict[WindowSize, list[str]] = {}
    for name in period.metrics:
        for size in catalogue.metrics[name].windows:
            by_size.setdefault(size, []).append(name)
    found: list[LeftOut] = []
    for size, names in sorted(by_size.items(), key=lambda pair: [*WindowSize].index(pair[0])):
        found += _cut(size, tuple(names), period)
    return found


def _cut(size: WindowSize, names: tuple[str, ...], period: Period) -> list[LeftOut]:
    cut = [anchor for anchor in _anchors(size, period) if not _within(size, anchor, period)]
    found = []
    for before, anchors in groupby(cut, lambda anchor: bounds(size, anchor)[0] < period.begin):
        group = list(anchors)
        found.append(LeftOut(size, names, group[0], group[-1], bounds(size, group[0])[0] if before else None))
    return found


def _within(size: WindowSize, anchor: int, period: Period) -> bool:
    start, end = bounds(size, anchor)
    return start >= period.begin and (period.end is None or end <= period.end)


def _anchors(size: WindowSize, period: Period) -> Iterable[int]:
    """Anchors of the windows that hold an edge of the period, and of those that end within it but begin before."""
    first = start_of(size, period.begin)
    last = first if period.end is None else start_of(size, period.end - 1)
    if size.sliding_days is not None:
        until = first + size.sliding_days * DAY_MS
        yield from range(first, until if period.end is None else min(until, last + 1), DAY_MS)
        first = until - DAY_MS
    else:
        yield first
    if last > first:
        yield last
