"""What goes to the sink: figures that changed, closed or came to be shown since the last emission.

A *round* brings the sink up to one fence: everything due when it began is drawn in as many calls as ``limit``
asks for, always with its present value. Once it is drawn and acknowledged, ``emitted`` in the partition's entry
moves on to that fence. The fold may go on between the calls, after its state was acknowledged.
"""

from itertools import islice

from agents.core.count.figure import Figure
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import StateWrite

__all__ = ["Emission"]


class Emission:
    """One round after the other for one partition."""

    def __init__(self, fold: AggregateFold) -> None:
        self._fold = fold
        self._due: dict[Figure, None] = {}
        self._mark = (-1, -1, -1)

    @property
    def under_way(self) -> bool:
        """Whether a round has begun that is not drawn to its end."""
        return bool(self._due)

    def begin(self) -> bool:
        """Begin a round; False where nothing is due."""
        entry, figures = self._fold.entry, self._fold.figures
        self._mark = (entry.fence, entry.event_watermark, entry.closing_watermark)
        self._due = dict(figures.dirty)
        figures.dirty.clear()
        for window in figures.fallen_due(entry):
            self._due.update(dict.fromkeys(window.figures()))
        return bool(self._due)

    def draw(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The next (id, record) pairs, fewer than ``limit`` where some need not be sent; [] may not be the end."""
        closing = self._fold.entry.closing_watermark
        drawn = list(islice(self._due, limit))
        found = []
        for figure in drawn:
            del self._due[figure]
            revision = figure.revision(closing)
            if figure.window.span.shows <= closing and figure.last >= 0 and revision != figure.sent:
                figure.sent = revision
                found.append((figure.id, figure.record(closing)))
        return found

    def finish(self, sink_next: int) -> StateWrite:
        """The round is drawn and acknowledged up to sink offset ``sink_next``; the entry to be written."""
        entry = self._fold.entry
        entry.emitted_fence, entry.emitted_event_watermark, entry.emitted_closing_watermark = self._mark
        entry.sink_next = max(entry.sink_next, sink_next)
        return self._fold.entry_write()

    def again(self, identity: str) -> tuple[bytes, bytes] | None:
        """The record of an id that was found in the sink; None where the state no longer holds it or shows it yet.

        Raises :class:`agents.core.count.state.StateError` where it is no aggregate id.
        """
        closing = self._fold.entry.closing_watermark
        figure = self._fold.figures.find(identity)
        if figure is None or figure.window.span.shows > closing or figure.last < 0:
            return None
        figure.sent = figure.revision(closing)
        return figure.id, figure.record(closing)
