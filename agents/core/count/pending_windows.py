"""Sliding windows that lie ahead: two numbers each, until they come to be shown or changed as figures (ADR 0016).

A user's new active day is in some 37 windows, most of which end on days to come. Of a company the fold keeps figures of
the sliding windows up to a day, ``through``, and of those that end later runs of alike days. ``through`` is the
greatest of the days of its users' activity and of the closing watermarks that their records found, so what lies where
follows from the log, however it was cut, and no run is more than a window's length past it.

A window that falls due at the sink before its company sees anybody new becomes a figure in memory alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from agents.core.shared.joins import seal, value_reader
from schemas.catalogue.metrics import Metric, WindowSize

__all__ = ["PendingWindows", "Run", "Slide", "added", "pending_key", "read_pending", "sliding_ends"]


class Run(NamedTuple):
    """Windows that end with days ``begin`` to before ``end``, all with one value above 0 and one last change."""

    begin: int
    end: int
    value: int
    last: int


class Slide(NamedTuple):
    """A metric of users with one of its sliding sizes of ``days`` days."""

    metric: Metric
    size: WindowSize
    days: int

    @property
    def name(self) -> str:
        """How the state calls it."""
        return f"{self.metric.name}|{self.size.value}"


_read = value_reader("what lies ahead of a company", tuple[int, dict[str, list[tuple[int, int, int, int]]]])


def pending_key(company: str) -> bytes:
    """The state's key of what lies ahead of a company."""
    return b"w" + company.encode()


def read_pending(value: bytes) -> tuple[int, dict[str, list[Run]]]:
    """``through`` and the runs by a slide's name; raises :class:`agents.core.shared.joins.StateError`."""
    through, runs = _read(value)
    return through, {name: [Run(*run) for run in found] for name, found in runs.items()}


def sliding_ends(days: int, day: int, before: int, after: int) -> tuple[int, int]:
    """With which days (first, past the last) the windows of so many days end into which a new active day brings a user.

    ``before`` and ``after`` are the user's active days next to it, -1 where there is none.
    """
    return day if before < 0 else max(day, before + days), day + days if after < 0 else min(day + days, after)


def added(runs: Sequence[Run], begin: int, end: int, by: int, offset: int) -> list[Run]:
    """The runs with ``by`` more from day ``begin`` to before ``end``, last changed at raw ``offset``.

    Of all that say the same the shortest, so that equal windows are equal runs.
    """
    found: list[Run] = []
    at = begin
    for run in runs:
        first, past, value, last = run
        if at < first and at < end:
            _put(found, Run(at, min(first, end), by, offset))
        if past <= begin or first >= end:
            _put(found, run)
        else:
            if first < begin:
                _put(found, Run(first, begin, value, last))
            _put(found, Run(max(first, begin), min(past, end), value + by, max(last, offset)))
            if past > end:
                _put(found, Run(end, past, value, last))
        at = max(at, past)
    if at < end:
        _put(found, Run(at, end, by, offset))
    return found


def _put(runs: list[Run], run: Run) -> None:
    if runs and runs[-1].end == run.begin and runs[-1][2:] == run[2:]:
        runs[-1] = Run(runs[-1].begin, run.end, *run[2:])
    else:
        runs.append(run)


class PendingWindows:
    """What lies ahead of one company, by the slides of the catalogue, in their order."""

    __slots__ = ("runs", "through")

    def __init__(self, through: int, slides: int) -> None:
        self.through = through
        self.runs: list[list[Run]] = [[] for _ in range(slides)]

    @property
    def last_day(self) -> int:
        """The last day with which any of its windows ends, at least ``through``."""
        return max(self.through, *(runs[-1].end - 1 for runs in self.runs if runs), -1)

    @property
    def last_change(self) -> int:
        """The greatest raw offset at which any of its windows changed, -1 without any."""
        return max((run.last for runs in self.runs for run in runs), default=-1)

    def reach(self, day: int) -> list[tuple[int, Run]]:
        """Go on to ``through`` = ``day`` or later; what was ahead and no longer is: (index of the slide, run)."""
        if day <= self.through:
            return []
        left: list[tuple[int, Run]] = []
        for slide, runs in enumerate(self.runs):
            while runs and runs[0].begin <= day:
                run = runs.pop(0)
                left.append((slide, run._replace(end=min(run.end, day + 1))))
                if run.end > day + 1:
                    runs.insert(0, run._replace(begin=day + 1))
        self.through = day
        return left

    def add(self, slide: int, ends: tuple[int, int], by: int, offset: int) -> None:
        """``by`` more in the windows that end with days from one of ``ends`` to before the other, as far as ahead."""
        begin, end = max(ends[0], self.through + 1), ends[1]
        if begin < end:
            self.runs[slide] = added(self.runs[slide], begin, end, by, offset)

    def add_figure(self, slide: int, day: int, value: int, last: int) -> None:
        """A figure in the state of a window that is ahead, as an earlier release or a promotion left it.

        Of two for one window that with the later change holds: values only grow.
        """
        at = next((run for run in self.runs[slide] if run.begin <= day < run.end), None)
        if at is None or at.last < last:
            held = at.value if at is not None else 0
            self.runs[slide] = added(self.runs[slide], day, day + 1, value - held, last)

    def shown(self, after: int, through: int) -> Iterator[tuple[int, Run]]:
        """(index of the slide, run) of what ends with a day after ``after`` and up to ``through``."""
        for slide, runs in enumerate(self.runs):
            for run in runs:
                if run.begin > through:
                    break
                if run.end > after + 1:
                    yield slide, run._replace(begin=max(run.begin, after + 1), end=min(run.end, through + 1))

    def value(self, fence: int, slides: Iterable[Slide]) -> bytes:
        """As the state holds it."""
        return seal(fence, (self.through, {slide.name: runs for slide, runs in zip(slides, self.runs, strict=True)}))
