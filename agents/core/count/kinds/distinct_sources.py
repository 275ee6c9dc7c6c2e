"""Distinct sources of a window and combination of dimension values: a source counts with its first event there."""

from collections.abc import Iterator

from agents.core.count.company_bounds import CompanyBounds, Held
from agents.core.count.figure import Figure
from agents.core.count.figures import Figures
from agents.core.count.kinds.members import Members, member_key
from agents.core.count.kinds.part import Changes, Stretch
from agents.core.shared.joins import seal

__all__ = ["DistinctSources"]


class DistinctSources:
    """See :class:`agents.core.count.kinds.part.KindPart`."""

    def __init__(self, figures: Figures, changes: Changes, members: Members, bounds: CompanyBounds) -> None:
        self._figures = figures
        self._changes = changes
        self._members = members
        self._bounds = bounds
        self._joined: list[tuple[Figure, bytes]] = []

    @property
    def rows(self) -> int:
        """See :class:`KindPart`."""
        return len(self._joined)

    def fold(self, stretch: Stretch) -> None:
        """Sources by company, shape and hour: of a group only its first event matters.

        A source joins all figures of its event or, where the company has no room for so many, none.
        """
        chunk, plans = stretch.chunk, stretch.plans
        for company, shape, source, hour, at in stretch.part.pre_aggregate.installs:
            targets, name = plans[shape].sources, chunk.companies[company]
            if not self._bounds.has_room_for_sources(name, targets.rows):
                continue
            for figure in self._figures.counted(name, hour, targets):
                if self._join(figure, chunk.sources[source], chunk.offsets[at], chunk.closings[at]):
                    self._changes.late.note(figure, ((at, 1),))

    def _join(self, figure: Figure, source: bytes, offset: int, closing: int) -> bool:
        """Whether the source is new and found the window closed."""
        if self._members.has(figure.id, source):
            return False
        self._bounds.admit(figure.window.company, figure.window.span.end, Held.SOURCES)
        self._members.add(figure.id, source)
        self._changes.touched[figure] = None
        self._joined.append((figure, source))
        return figure.change(1, offset, closing)

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`KindPart`."""
        nothing = seal(fence, None)
        for figure, source in self._joined:
            yield member_key(figure.id, source), nothing
        self._joined = []

    def of(self, figure: Figure, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """What the state holds of one figure beside it."""
        for source in self._members.of(figure.id):
            yield member_key(figure.id, source), seal(fence, None)
