"""What one company may make the second fold hold: users of a day, series, and sources of distinct figures (design 1.7).

Each is counted under the UTC day with which its window ends, and forgotten when that day is too late for the closing
watermark. What comes of a day before that is counted under the first day that is not forgotten. Series of each kind of
figures, sources of distinct ones and readings of gauges are counted apart, each in the order of the log.

The key of a company is ``x`` company, its payload a list of [day, what of each kind it holds in the order of
:class:`Held`], from sums on only as far as anything is held.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from agents.core.shared.joins import StateError, seal, value_reader
from schemas.bounds import Bound
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.limits import DAY_MS

__all__ = ["SERIES", "CompanyBounds", "Held", "bounds_key", "newest_day"]

_read_rows = value_reader("what a company holds", list[list[int]])
_LEAST_KINDS, _KINDS = 4, 8
"""Of what is held: written at least, and known."""


class Held(IntEnum):
    """What is counted."""

    USERS = 0
    COUNTS = 1
    DISTINCT = 2
    SOURCES = 3
    SUMS = 4
    GAUGES = 5
    DISTRIBUTIONS = 6
    READINGS = 7


SERIES: Final[Mapping[Kind, Held]] = {
    Kind.COUNT: Held.COUNTS,
    Kind.DISTINCT: Held.DISTINCT,
    Kind.SUM: Held.SUMS,
    Kind.GAUGE: Held.GAUGES,
    Kind.DISTRIBUTION: Held.DISTRIBUTIONS,
}
"""What a series of a metric of each kind is."""


def bounds_key(company: str) -> bytes:
    """The state's key of what a company holds."""
    return b"x" + company.encode()


def _read(value: bytes) -> list[list[int]]:
    rows = _read_rows(value)
    if not rows or any(not _LEAST_KINDS < len(row) <= _KINDS + 1 for row in rows):
        raise StateError("what a company holds has another shape")
    return rows


def _row(day: int, counts: Sequence[int]) -> list[int]:
    """Without what is not held behind what always stands there."""
    size = len(counts)
    while size > _LEAST_KINDS and not counts[size - 1]:
        size -= 1
    return [day, *counts[:size]]


def newest_day(value: bytes) -> int:
    """The last day of which anything is counted."""
    return max(row[0] for row in _read(value))


class _Company:
    """Counts by day and kind; ``totals`` over all days."""

    __slots__ = ("days", "floor", "totals")

    def __init__(self) -> None:
        self.days: dict[int, list[int]] = {}
        self.totals = [0] * _KINDS
        self.floor = -1

    def forget_before(self, floor: int) -> None:
        if floor > self.floor:
            self.floor = floor
            for day in [day for day in self.days if day < floor]:
                for kind, count in enumerate(self.days.pop(day)):
                    self.totals[kind] -= count

    def add(self, day: int, kind: Held) -> None:
        counts = self.days.get(day)
        if counts is None:
            counts = self.days[day] = [0] * _KINDS
        counts[kind] += 1
        self.totals[kind] += 1


class CompanyBounds:
    """Of every company of one partition."""

    __slots__ = ("_companies", "_deciding", "_floor", "_swept", "over", "peaks", "touched")

    def __init__(self, deciding: Deciding) -> None:
        self._deciding = deciding
        self._companies: dict[str, _Company] = {}
        self._floor = -1
        self._swept = -1
        self.touched: dict[str, None] = {}
        """Companies to be written with the next part."""
        self.over: Counter[Bound] = Counter()
        """How often something was left out, since ``drain`` was called."""
        self.peaks: dict[Bound, int] = {Bound.USERS: 0, Bound.SERIES: 0}
        """The most that any company was seen to hold."""

    def reach(self, closing: int) -> None:
        """The closing watermark before the next record, which never falls."""
        self._floor = (closing - self._deciding.lateness) // DAY_MS

    def admit(self, company: str, end: int, kind: Held) -> bool:
        """Count one more, of a window that ends at ``end`` (ms since 1970 UTC); False where the company has no room."""
        held = self._companies.get(company)
        if held is None:
            held = self._companies[company] = _Company()
        held.forget_before(self._floor)
        day = max((end - 1) // DAY_MS, self._floor)
        if kind is Held.USERS:
            bound, most, count = Bound.USERS, self._deciding.max_users, held.days.get(day, (0,))[0]
        else:
            bound, most, count = Bound.SERIES, self._deciding.max_company_series, held.totals[kind]
        if count >= most:
            self.over[bound] += 1
            return False
        held.add(day, kind)
        if count >= self.peaks[bound]:
            self.peaks[bound] = count + 1
        self.touched[company] = None
        return True

    def has_room_for_sources(self, company: str, more: int) -> bool:
        """Whether ``more`` sources of distinct figures can be counted."""
        held = self._companies.get(company)
        if held is not None:
            held.forget_before(self._floor)
        count = 0 if held is None else held.totals[Held.SOURCES]
        if count + more <= self._deciding.max_company_series:
            return True
        self.over[Bound.SERIES] += 1
        return False

    def drain(self) -> Counter[Bound]:
        """How often something was left out since this was last asked."""
        over, self.over = self.over, Counter()
        return over

    # ---- state

    def writes(self, fence: int) -> Iterable[tuple[bytes, bytes]]:
        """Every company touched since this was last asked."""
        for company in self.touched:
            rows = [_row(day, counts) for day, counts in sorted(self._companies[company].days.items())]
            yield bounds_key(company), seal(fence, rows)
        self.touched = {}

    def restore(self, company: str, value: bytes) -> None:
        """Take up a company; raises :class:`agents.core.shared.joins.StateError`."""
        held = self._companies[company] = _Company()
        for day, *stored in _read(value):
            counts = held.days[day] = [*stored, *[0] * (_KINDS - len(stored))]
            held.totals = [total + count for total, count in zip(held.totals, counts, strict=True)]

    def drop_expired(self, closing: int) -> list[str]:
        """Forget companies that hold nothing any more, once a day of the closing watermark; these."""
        floor = (closing - self._deciding.lateness) // DAY_MS
        if floor <= self._swept:
            return []
        self._swept = floor
        dead = [name for name, held in self._companies.items() if max(held.days, default=-1) < floor]
        for name in dead:
            del self._companies[name]
            self.touched.pop(name, None)
        return dead

    def has(self, company: str) -> bool:
        """Whether anything is counted of a company."""
        return company in self._companies
