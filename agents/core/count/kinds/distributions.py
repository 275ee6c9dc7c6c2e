"""Distributions: readings counted by bins (edge 1.3), of which a few share a key of the state.

A reading touches one key of bins beside its figure, so that a figure of many bins is not written whole with each one.
"""

from collections.abc import Iterator

from agents.core.count.figure import Figure
from agents.core.count.figures import Figures
from agents.core.count.kinds.detail import Bins
from agents.core.count.kinds.part import Changes, Stretch
from agents.core.shared.joins import StateError, seal, value_reader
from schemas.limits import HOUR_MS

__all__ = ["SEGMENT", "Distributions", "bins_key"]

SEGMENT = 32
"""Bins that share a key."""
_read = value_reader("bins of a distribution", list[tuple[int, int]])


def bins_key(figure: bytes, segment: int) -> bytes:
    """The state's key of the bins from ``segment * SEGMENT`` on of a figure."""
    return b"d" + figure + b"|" + str(segment).encode()


class Distributions:
    """See :class:`agents.core.count.kinds.part.KindPart`."""

    def __init__(self, figures: Figures, changes: Changes) -> None:
        self._figures = figures
        self._changes = changes
        self._touched: dict[tuple[Figure, int], None] = {}

    @property
    def rows(self) -> int:
        """See :class:`KindPart`."""
        return len(self._touched)

    def fold(self, stretch: Stretch) -> None:
        """Reading by reading; each changes its figure."""
        if not any(plan.distributions for plan in stretch.plans):
            return
        chunk, plans = stretch.chunk, stretch.plans
        places = [plan.distributions.places for plan in plans]
        for at in range(stretch.part.begin, stretch.part.end):
            shape = chunk.shape[at]
            targets = plans[shape].distributions
            if not targets:
                continue
            found = self._figures.counted(chunk.companies[chunk.company[at]], chunk.times[at] // HOUR_MS, targets)
            for figure, place in zip(found, places[shape], strict=True):
                self._changes.touched[figure] = None
                reading = chunk.measures[stretch.begins[at] + place]
                if reading >= 0:
                    self._add(figure, reading, at, stretch)

    def _add(self, figure: Figure, reading: int, at: int, stretch: Stretch) -> None:
        detail = figure.detail
        assert isinstance(detail, Bins)
        self._touched[figure, detail.add(reading) // SEGMENT] = None
        if figure.change(1, stretch.chunk.offsets[at], stretch.chunk.closings[at]):
            self._changes.late.note(figure, ((at, 1),))

    # ---- state

    def restore(self, key: bytes, value: bytes) -> None:
        """Take up bins of a figure that is there; raises :class:`agents.core.shared.joins.StateError`."""
        figure = self._figures.find(key[1:].rpartition(b"|")[0].decode())
        counts = _read(value)
        if figure is None or not isinstance(figure.detail, Bins):
            raise StateError("bins without their figure")
        figure.detail.counts.update(counts)

    def is_whole(self, figure: Figure) -> bool:
        """Whether its bins are all there."""
        return isinstance(figure.detail, Bins) and sum(figure.detail.counts.values()) == figure.value

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`KindPart`."""
        for figure, segment in self._touched:
            yield self._write(figure, segment, fence)
        self._touched = {}

    def of(self, figure: Figure, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """What the state holds of one figure beside it."""
        for segment in _segments(figure):
            yield self._write(figure, segment, fence)

    def forget(self, figure: Figure) -> list[bytes]:
        """The figure has expired; the keys that die."""
        return [bins_key(figure.id, segment) for segment in _segments(figure)]

    def _write(self, figure: Figure, segment: int, fence: int) -> tuple[bytes, bytes]:
        assert isinstance(figure.detail, Bins)
        counts = figure.detail.counts
        bins = [(number, counts[number]) for number in sorted(counts) if number // SEGMENT == segment]
        return bins_key(figure.id, segment), seal(fence, bins)


def _segments(figure: Figure) -> list[int]:
    return sorted({number // SEGMENT for number in figure.detail.counts}) if isinstance(figure.detail, Bins) else []
