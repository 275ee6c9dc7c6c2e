"""Folding a stretch of clean again for the figures of a period (replay): the same fold, each figure told once.

A figure belongs to the period where its window lies wholly in it; then no event outside the period can matter to it.
It is told when no legal event can change it any more, so that memory is bounded as the live fold's is, or at the
end. What is told, and in which order, is a function of the log alone.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, starmap
from typing import Final, NamedTuple

from agents.core.count.figure import Figure
from agents.core.count.fold import AggregateFold
from agents.core.count.state import Entry, StateError, name_of, span_expired
from agents.core.shared.joins import seal
from agents.core.shared.records import LateChange, StateWrite
from agents.core.shared.windows import NEVER, Span, span_of
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.wire.clean import CleanChunk, narrowed

__all__ = ["Emitted", "Incomplete", "Period", "Refold", "within"]

_FOREVER: Final = 1 << 62

Incomplete = dict[tuple[str, str], set[int]]
"""(company, metric) to the hours, counted from 1970, of events of which the shape does not tell that metric."""


class Period(NamedTuple):
    """Which figures: windows within ``begin`` to before ``end`` (ms since 1970 UTC, None: open) of these metrics."""

    begin: int
    end: int | None
    metrics: tuple[str, ...]

    def includes(self, span: Span) -> bool:
        """Whether the window lies wholly in the period."""
        return span.start >= self.begin and (self.end is None or span.end <= self.end)

    def span(self, identity: str, deciding: Deciding) -> Span | None:
        """The window of an aggregate id; None where it is none, or none of the period."""
        try:
            named = name_of(identity)
        except StateError:
            return None
        span = span_of(named.size, named.anchor, deciding)
        return span if named.metric in self.metrics and self.includes(span) else None


class Emitted(NamedTuple):
    """A figure and its aggregate record; ``late`` is what changed it after its window had closed, in raw order."""

    figure: Figure
    record: bytes
    late: Sequence[LateChange] = ()


def within(chunk: CleanChunk, period: Period) -> CleanChunk:
    """The chunk with only the events of the period."""
    end = _FOREVER if period.end is None else period.end
    kept = [at for at, time in enumerate(chunk.times) if period.begin <= time < end]
    if len(kept) == len(chunk.times):
        return chunk
    return narrowed(chunk, kept)


class Refold:
    """The figures of a period of one partition; ``fold`` takes the chunks from where none earlier can matter."""

    def __init__(self, deciding: Deciding, partition: int, period: Period) -> None:
        self.period = period
        self.incomplete: Incomplete = {}
        self.left_out = 0
        """Figures not told, since an event of theirs does not tell enough."""
        self.digest = ""
        """The fold digest after the last chunk."""
        self._deciding = deciding = replace(deciding, catalogue=deciding.catalogue.only(period.metrics))
        self._fold = AggregateFold(deciding, partition)
        self._late: dict[bytes, list[LateChange]] = {}
        self._swept = NEVER
        self._begun = False

    @property
    def entry(self) -> Entry:
        """How far it is folded."""
        return self._fold.entry

    @property
    def is_settled(self) -> bool:
        """Whether no legal event can change a figure of the period any more, and all of its windows are closed."""
        end, deciding = self.period.end, self._deciding
        if end is None:
            return False
        closed = end + max(deciding.grace_hour, deciding.grace_day)
        return self.entry.event_watermark - deciding.lateness >= end and self.entry.closing_watermark >= closed

    def fold(self, clean_offset: int, chunk: CleanChunk, *, accept_gap: bool = False) -> Iterator[Emitted]:
        """Fold the next chunk; the figures that are settled by it. Read to the end before the next call.

        Raises :class:`agents.core.count.fold.GapError` where raw offsets lie in no chunk, unless ``accept_gap``.
        """
        fold = self._fold
        if not self._begun:
            self.entry.fence, self._begun = chunk.first - 1, True
        chunk = within(chunk, self.period)
        self._note_incomplete(chunk)
        for part in fold.fold([(clean_offset, chunk)], accept_gap=accept_gap):  # whose state is not written
            for change in part.corrections:
                if self.period.span(change.id.decode(), self._deciding) is not None:
                    self._late.setdefault(change.id, []).append(change)
        fold.figures.dirty.clear()
        fold.figures.fallen_due(self.entry)
        self.digest = chunk.digest
        day = (self.entry.event_watermark - self._deciding.lateness) // DAY_MS
        if day > self._swept:
            self._swept = day
            yield from self._settled()

    def rest(self) -> Iterator[Emitted]:
        """Every figure that is not told yet, as it stands."""
        for window in self._fold.figures.windows.values():
            yield from self._emit(window.figures())

    def state_of(self, figure: Figure, fence: int) -> list[StateWrite]:
        """What the live fold would hold of the figure at raw offset ``fence``, its sources before itself."""
        return [
            *starmap(StateWrite, self._fold.beside(figure, fence)),
            StateWrite(b"f" + figure.id, seal(fence, figure.state())),
        ]

    def unshown(self) -> Iterator[Figure]:
        """Figures of the period that the state holds and no sink tells.

        Those of sliding windows whose last day has not begun, and those that nothing has changed yet: their dimension
        values are known, which decides where later events count.
        """
        figures, closing = self._fold.figures, self.entry.closing_watermark
        shown = (window for window in figures.windows.values() if window.span.shows <= closing)
        silent = (figure for window in shown for figure in window.figures() if figure.last < 0)
        for figure in chain(figures.unshown(closing), silent):
            window = figure.window
            is_wanted = self.period.includes(window.span)
            if is_wanted and not self.is_incomplete(window.company, window.metric.name, window.span):
                yield figure

    def _settled(self) -> Iterator[Emitted]:
        """Tell what has expired; having "emitted" that far the fold forgets it by and by."""
        entry, windows = self.entry, self._fold.figures.windows
        entry.emitted_event_watermark, entry.emitted_closing_watermark = entry.event_watermark, entry.closing_watermark
        entry.emitted_fence = entry.fence
        for window in windows.values():
            if span_expired(window.span, entry, self._deciding):
                yield from self._emit(window.figures())

    def _emit(self, figures: Iterable[Figure]) -> Iterator[Emitted]:
        closing = self.entry.closing_watermark
        for figure in figures:
            span, revision = figure.window.span, figure.revision(closing)
            if figure.sent == revision or figure.last < 0 or span.shows > closing or not self.period.includes(span):
                continue
            figure.sent = revision
            if self.is_incomplete(figure.window.company, figure.window.metric.name, span):
                self.left_out += 1
            else:
                yield Emitted(figure, figure.record(closing), self._late.pop(figure.id, ()))

    def is_incomplete(self, company: str, metric: str, span: Span) -> bool:
        """Whether a figure lacks an event of which too little is known."""
        hours = self.incomplete.get((company, metric), ())
        return any(span.start <= hour * HOUR_MS < span.end for hour in hours)

    def _note_incomplete(self, chunk: CleanChunk) -> None:
        of_shape = [self._fold.plan.of(shape).incomplete for shape in chunk.shapes]
        if any(of_shape):
            for at in range(bisect_right(chunk.offsets, self.entry.fence), len(chunk.offsets)):
                for metric in of_shape[chunk.shape[at]]:
                    hours = self.incomplete.setdefault((chunk.companies[chunk.company[at]], metric), set())
                    hours.add(chunk.times[at] // HOUR_MS)
