"""Counts and sums: figures to which each event adds, by groups of events that have all in common."""

from collections.abc import Iterable, Sequence

from agents.core.count.figure import Figure
from agents.core.count.figures import Figures
from agents.core.count.kinds.part import Changes, Stretch
from agents.core.count.pre_aggregate import Group, events_of

__all__ = ["Additive"]


_Late = tuple[Group, Figure, int]
"""A group that found a figure closed, and the place of the measure that it adds, -1 where it is counted."""


class Additive:
    """See :class:`agents.core.count.kinds.part.KindPart`."""

    rows = 0

    def __init__(self, figures: Figures, changes: Changes) -> None:
        self._figures = figures
        self._changes = changes

    def fold(self, stretch: Stretch) -> None:
        """By company, shape and hour: of a group only what it adds and its last event that adds something matter.

        The closing watermark never falls, so where any event of a group came after closing its last did, and only
        then its single events are looked at. Groups come in the order of their first event, as ``max_series`` asks.
        """
        late = self._count(stretch)
        if any(plan.sums for plan in stretch.plans):
            late += self._add(stretch)
        if late:
            self._note(late, stretch)

    def _count(self, stretch: Stretch) -> list[_Late]:
        chunk, plans = stretch.chunk, stretch.plans
        companies, offsets, closings = chunk.companies, chunk.offsets, chunk.closings
        figures_of, touched = self._figures.counted, self._changes.touched
        late: list[_Late] = []
        for company, shape, hour, size, last in stretch.part.pre_aggregate.counts:
            offset, closing = offsets[last], closings[last]
            for figure in figures_of(companies[company], hour, plans[shape].counts):
                if figure.change(size, offset, closing):
                    late.append(((company, shape, hour), figure, -1))
                touched[figure] = None
        return late

    def _add(self, stretch: Stretch) -> list[_Late]:
        chunk, plans, pre_aggregate = stretch.chunk, stretch.plans, stretch.part.pre_aggregate
        late: list[_Late] = []
        for (company, shape, hour, _, _), added in zip(pre_aggregate.counts, pre_aggregate.sums, strict=True):
            sums = plans[shape].sums
            found = self._figures.counted(chunk.companies[company], hour, sums) if sums else ()
            for figure, place in zip(found, sums.places, strict=True):
                amount, at = added[2 * place], added[2 * place + 1]
                if amount and figure.change(amount, chunk.offsets[at], chunk.closings[at]):
                    late.append(((company, shape, hour), figure, place))
                self._changes.touched[figure] = None  # a counted event makes its combination known
        return late

    def _note(self, late: Sequence[_Late], stretch: Stretch) -> None:
        chunk, part = stretch.chunk, stretch.part
        events = events_of({group for group, _, _ in late}, chunk, part.begin, part.end)
        for group, figure, place in late:
            if place < 0:
                self._changes.late.note(figure, [(at, 1) for at in events[group]])
            else:
                amounts = [(at, chunk.measures[stretch.begins[at] + place]) for at in events[group]]
                self._changes.late.note(figure, [(at, amount) for at, amount in amounts if amount > 0])

    def writes(self, _fence: int) -> Iterable[tuple[bytes, bytes]]:
        """Nothing but figures."""
        return ()
