"""The oracle's figures: every member of every window in a set, every count in a number (design 1.3)."""

import json
from functools import lru_cache
from typing import Any

from pipeline.oracle.form import RawEvent
from pipeline.oracle.judging import Closed
from schemas.aggregates import Status, aggregate_id, dimensions_text, encode_aggregate
from schemas.corrections import Cause, CauseKind, Correction
from schemas.events import EVENT_TYPES
from schemas.limits import DAY_MS, OTHER
from schemas.metrics import METRICS, Distinct, Kind, Metric, WindowSize
from schemas.times import bounds, instant, start_of

__all__ = ["Books"]

_Values = tuple[str, ...]
_Window = tuple[WindowSize, int]


class _Figure:
    """One figure in the making; ``members`` stays empty where events are counted.

    ``late`` holds of each record that found the window closed: value before and after it, closing watermark before it.
    """

    def __init__(self) -> None:
        self.value = 0
        self.members: set[str] = set()
        self.changed = -1
        self.corrected = False
        self.late: dict[int, tuple[int, int, int]] = {}

    def add(self, member: str | None, offset: int, was_closed: bool, closing_watermark: int) -> None:
        if member is not None:
            if member in self.members:
                return
            self.members.add(member)
        if was_closed:
            old = self.late[offset][0] if offset in self.late else self.value
            self.late[offset] = (old, self.value + 1, closing_watermark)
        self.value += 1
        self.changed = offset
        self.corrected = self.corrected or was_closed


def _is_closed(size: WindowSize, start: int, closed: Closed) -> bool:
    return _end_of(size, start) <= (closed.hours if size is WindowSize.HOUR else closed.days)


@lru_cache(maxsize=100_000)
def _end_of(size: WindowSize, start: int) -> int:
    return bounds(size, start)[1]


@lru_cache(maxsize=100_000)
def _windows(metric: str, day_or_hour: int) -> list[_Window]:
    """The windows that an event of that hour falls into; a sliding one is named by the start of its last day."""
    found: list[_Window] = []
    for size in METRICS[metric].windows:
        start = start_of(size, day_or_hour)
        found += [(size, start + later * DAY_MS) for later in range(size.sliding_days or 1)]
    return found


class Books:
    """The figures of one partition."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str, WindowSize, int, _Values], _Figure] = {}
        self._series: dict[tuple[str, str, WindowSize, int], set[_Values]] = {}

    def enter(self, event: RawEvent, offset: int, closed: Closed, closing_watermark: int, max_series: int) -> None:
        """Count an event; ``closed`` says which windows were closed before its record, by which watermark."""
        for metric in METRICS.values():
            if not _concerns(metric, event):
                continue
            member = None
            if metric.kind is Kind.DISTINCT:
                member = event.user if metric.distinct is Distinct.USER else event.base
            values = tuple(event.values[name] for name in metric.dimensions)
            hour = event.time - event.time % 3_600_000
            for size, start in _windows(metric.name, hour):
                named = self._named(event.company, metric, size, start, values, max_series)
                figure = self._figures.setdefault((event.company, metric.name, size, start, named), _Figure())
                figure.add(member, offset, _is_closed(size, start, closed), closing_watermark)

    def _named(
        self, company: str, metric: Metric, size: WindowSize, start: int, values: _Values, max_series: int
    ) -> _Values:
        if not values:
            return values
        known = self._series.setdefault((company, metric.name, size, start), set())
        if values in known:
            return values
        if len(known) >= max_series:
            return (OTHER,) * len(values)
        known.add(values)
        return values

    def figures(self, closing_watermark: int, closed: Closed) -> dict[str, dict[str, Any]]:
        """Every aggregate record by id, as JSON gives it, after the last record."""
        today = closing_watermark - closing_watermark % DAY_MS
        found = {}
        for (company, name, size, start, values), figure in self._figures.items():
            if size.sliding_days and start > today:
                continue
            metric = METRICS[name]
            window = bounds(size, start)
            identity = _identity(company, metric, size, start, values)
            is_closed = _is_closed(size, start, closed)
            status = Status.CORRECTED if figure.corrected else Status.FINAL if is_closed else Status.PROVISIONAL
            revision = 2 * figure.changed + is_closed
            record = encode_aggregate(
                identity, company, metric, values, (size, *window), figure.value, status, revision, closing_watermark
            )
            found[identity] = json.loads(record)
        return found

    def corrections(self, partition: int) -> dict[tuple[str, int], Correction]:
        """What each late record made of each closed figure, by (id, revision)."""
        found = {}
        for (company, name, size, start, values), figure in self._figures.items():
            identity = _identity(company, METRICS[name], size, start, values)
            for offset, (old, new, watermark) in figure.late.items():
                cause = Cause(CauseKind.LATE, partition, offset, instant(watermark))
                revision = 2 * offset + 1
                found[identity, revision] = Correction(identity, company, name, old, new, new - old, revision, cause)
        return found


def _identity(company: str, metric: Metric, size: WindowSize, start: int, values: _Values) -> str:
    return aggregate_id(company, metric.name, size, bounds(size, start)[0], dimensions_text(metric.dimensions, values))


def _concerns(metric: Metric, event: RawEvent) -> bool:
    if metric.event_type is None:
        return event.user is not None and _activates(event)
    if event.type != metric.event_type:
        return False
    return metric.where is None or event.values[metric.where[0]] == metric.where[1]


def _activates(event: RawEvent) -> bool:
    """Every event with a user but an assistant's message and a change of consent."""
    if event.type == "message.sent":
        return event.values["role"] != "assistant"
    return event.type in EVENT_TYPES and event.type != "consent.changed"
