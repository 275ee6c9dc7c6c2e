"""The oracle's figures: every member of every window in a set, every count in a number (design 1.3)."""

import json
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any

from pipeline.proof.oracle.figures import Brought, Made
from pipeline.proof.oracle.form import RawEvent
from pipeline.proof.oracle.judging import Closed
from schemas.catalogue.metrics import Distinct, Kind, Metric, WindowSize
from schemas.catalogue.types import EventType
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, OTHER
from schemas.times import bounds, instant, start_of
from schemas.wire.aggregates import Status, aggregate_id, dimensions_text, encode_aggregate
from schemas.wire.corrections import Cause, CauseKind, Correction

__all__ = ["Books"]

_Values = tuple[str, ...]
_Window = tuple[WindowSize, int]
_Key = tuple[str, str, WindowSize, int, _Values]
"""Company, metric, window and values of a figure."""


def _is_closed(size: WindowSize, start: int, closed: Closed) -> bool:
    return _end_of(size, start) <= (closed.hours if size is WindowSize.HOUR else closed.days)


@lru_cache(maxsize=100_000)
def _end_of(size: WindowSize, start: int) -> int:
    return bounds(size, start)[1]


@lru_cache(maxsize=100_000)
def _windows(sizes: tuple[WindowSize, ...], day_or_hour: int) -> list[_Window]:
    """The windows that an event of that hour falls into; a sliding one is named by the start of its last day."""
    found: list[_Window] = []
    for size in sizes:
        start = start_of(size, day_or_hour)
        found += [(size, start + later * DAY_MS) for later in range(size.sliding_days or 1)]
    return found


class _Room:
    """How much a company holds, by the UTC day under which it is counted."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)

    def admit(self, company: str, what: str, most: int, end: int, floor: int, *, of_day: bool = False) -> bool:
        """One more, of a window that ends at ``end``, if there is room; days before ``floor`` are forgotten."""
        day = max((end - 1) // DAY_MS, floor)
        count = self.count(company, what, floor)
        held = self._held[company, what]
        if (held[day] if of_day else count) >= most:
            return False
        held[day] += 1
        return True

    def count(self, company: str, what: str, floor: int) -> int:
        """How much a company holds."""
        return sum(number for day, number in self._held[company, what].items() if day >= floor)


class Books:
    """The figures of one partition."""

    def __init__(self, deciding: Deciding) -> None:
        self._bounds = deciding
        self._metrics = dict(deciding.catalogue.metrics)
        """Of every catalogue that was in force."""
        self._room = _Room()
        self._active: set[tuple[str, str, int]] = set()
        self._floor = 0
        self._figures: dict[_Key, Made] = {}
        self._at_hand: dict[_Key, tuple[int, int]] = {}
        """Figures that the record at hand touches: how they stood before it."""
        self._placed: dict[tuple[str, str, WindowSize, int, str, _Values], _Values] = {}
        """The figure that a source's reading of these values is in."""
        self._series: dict[tuple[str, str, WindowSize, int], set[_Values]] = {}

    def enter(self, event: RawEvent, closing_watermark: int, deciding: Deciding) -> None:
        """Count an event; ``closing_watermark`` is the one before its record."""
        self._bounds = deciding
        self._metrics |= deciding.catalogue.metrics
        self._floor = (closing_watermark - deciding.lateness) // DAY_MS
        activates = event.user is not None and _activates(event, deciding.catalogue.types[event.type])
        is_active = activates and self._is_active(event, event.user or "")
        joins = self._room_for_source(event)
        for metric in deciding.catalogue.metrics.values():
            if metric.distinct is Distinct.SOURCE and not joins:
                continue
            if is_active if metric.event_type is None else _concerns(metric, event):
                self._enter(metric, event)

    def _enter(self, metric: Metric, event: RawEvent) -> None:
        values = tuple(event.values[name] for name in metric.dimensions)
        hour = event.time - event.time % 3_600_000
        for size, start in _windows(metric.windows, hour):
            window = (event.company, metric.name, size, start)
            named = self._named(event.company, metric, size, start, values)
            if metric.kind is Kind.GAUGE:
                placed = self._place(metric, event, window, values, named)
                if placed is None:
                    continue
                named = placed
            key = (*window, named)
            made = self._figures.setdefault(key, Made(metric))
            self._at_hand.setdefault(key, made.stands)
            before = made.making.value
            member = event.user if metric.distinct is Distinct.USER else event.base
            number = None if metric.field is None else event.numbers.get(metric.field)
            made.making.add(Brought(member, values, event.time, number))
            if metric.distinct is Distinct.SOURCE and made.making.value > before:
                most = self._bounds.max_company_series
                self._room.admit(event.company, "sources", most, _end_of(size, start), self._floor)

    def _place(
        self, metric: Metric, event: RawEvent, window: tuple[str, str, WindowSize, int], values: _Values, named: _Values
    ) -> _Values | None:
        """The values of the figure that a reading goes to; None where there is no reading, or no room for it."""
        if metric.field not in event.numbers:
            return None
        of = (*window, event.base, values)
        if of not in self._placed:
            end, most = _end_of(window[2], window[3]), self._bounds.max_company_series
            if not self._room.admit(event.company, "readings", most, end, self._floor):
                return None
            self._placed[of] = named
        return self._placed[of]

    def end_record(self, offset: int, closed: Closed, closing_watermark: int) -> None:
        """All events of the record are entered; ``closed`` says which windows were closed before it."""
        for key, before in self._at_hand.items():
            late = closing_watermark if _is_closed(key[2], key[3], closed) else None
            self._figures[key].settle(before, offset, late)
        self._at_hand = {}

    def _is_active(self, event: RawEvent, user: str) -> bool:
        """Whether the user is active on the day of the event: there is room for so many users a company and day."""
        day = event.time // DAY_MS
        if (event.company, user, day) in self._active:
            return True
        most, end = self._bounds.max_users, (day + 1) * DAY_MS
        if not self._room.admit(event.company, "users", most, end, self._floor, of_day=True):
            return False
        self._active.add((event.company, user, day))
        return True

    def _room_for_source(self, event: RawEvent) -> bool:
        """Whether the source of an event can join every distinct figure of its event."""
        metrics = self._bounds.catalogue.metrics.values()
        of_sources = [each for each in metrics if each.distinct is Distinct.SOURCE and _concerns(each, event)]
        more, most = sum(len(each.windows) for each in of_sources), self._bounds.max_company_series
        return self._room.count(event.company, "sources", self._floor) + more <= most

    def _named(self, company: str, metric: Metric, size: WindowSize, start: int, values: _Values) -> _Values:
        if not values:
            return values
        known = self._series.setdefault((company, metric.name, size, start), set())
        if values in known:
            return values
        most, end = self._bounds.max_company_series, _end_of(size, start)
        if len(known) >= self._bounds.max_series:
            return (OTHER,) * len(values)
        if not self._room.admit(company, metric.kind.value, most, end, self._floor):
            return (OTHER,) * len(values)
        known.add(values)
        return values

    def figures(self, closing_watermark: int, closed: Closed) -> dict[str, dict[str, Any]]:
        """Every aggregate record by id, as JSON gives it, after the last record."""
        today = closing_watermark - closing_watermark % DAY_MS
        found = {}
        for (company, name, size, start, values), figure in self._figures.items():
            if figure.changed < 0 or (size.sliding_days and start > today):
                continue
            metric = self._metrics[name]
            window = bounds(size, start)
            identity = _identity(company, metric, size, start, values)
            is_closed = _is_closed(size, start, closed)
            status = Status.CORRECTED if figure.corrected else Status.FINAL if is_closed else Status.PROVISIONAL
            revision = 2 * figure.changed + is_closed
            record = encode_aggregate(
                identity,
                company,
                metric,
                values,
                (size, *window),
                figure.making.value,
                status,
                revision,
                closing_watermark,
                figure.making.members,
            )
            found[identity] = json.loads(record)
        return found

    def corrections(self, partition: int) -> dict[tuple[str, int], Correction]:
        """What each late record made of each closed figure, by (id, revision)."""
        found = {}
        for (company, name, size, start, values), figure in self._figures.items():
            identity = _identity(company, self._metrics[name], size, start, values)
            for offset, (old, new, watermark) in figure.late.items():
                cause = Cause(CauseKind.LATE, partition, offset, instant(watermark))
                revision = 2 * offset + 1
                found[identity, revision] = Correction(identity, company, name, old, new, new - old, revision, cause)
        return found


def _identity(company: str, metric: Metric, size: WindowSize, start: int, values: _Values) -> str:
    return aggregate_id(company, metric.name, size, bounds(size, start)[0], dimensions_text(metric.dimensions, values))


def _concerns(metric: Metric, event: RawEvent) -> bool:
    if event.type != metric.event_type:
        return False
    return metric.where is None or event.values[metric.where[0]] == metric.where[1]


def _activates(event: RawEvent, entry: EventType) -> bool:
    """Whether an event makes its user active: not where its type says of whom it is no use of a product."""
    if isinstance(entry.passive, tuple):
        field, value = entry.passive
        return event.values[field] != value
    return entry.passive is None
