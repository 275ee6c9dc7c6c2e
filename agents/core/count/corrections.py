"""What changed figures after their windows had closed: one correction a figure and raw record (ADR 0013).

The closing watermark never falls, so of all changes that one part of a chunk makes to a figure those before its
closing come first. What the late ones made of it is worked out from its value in the end, backwards by raw record: the
fold need not know what a figure was before each event, and what is told does not depend on how chunks are cut.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter

from agents.core.count.figure import Figure
from agents.core.shared.records import LateChange
from schemas.wire.clean import CleanChunk

__all__ = ["LateChanges"]

_offset = attrgetter("offset")


Added = tuple[int, int]
"""The index of an event, and what it added."""


class LateChanges:
    """The late changes of one part of a chunk, which holds raw records whole."""

    def __init__(self) -> None:
        self._found: dict[Figure, list[Sequence[Added]]] = {}
        self._settled: list[LateChange] = []

    def note(self, figure: Figure, added: Sequence[Added]) -> None:
        """These events, ascending, added so much each to ``figure``; the last found its window closed."""
        self._found.setdefault(figure, []).append(added)

    def add(self, change: LateChange) -> None:
        """A change of a figure to which events do not only add."""
        self._settled.append(change)

    def settle(self, chunk: CleanChunk) -> list[LateChange]:
        """What they came to, by raw offset, now that every figure has its value after the part; begins anew."""
        settled, self._settled = self._settled, []
        for figure, noted in self._found.items():
            settled += _backwards(figure, noted[0] if len(noted) == 1 else sorted(chain.from_iterable(noted)), chunk)
        self._found = {}
        settled.sort(key=_offset)
        return settled


def _backwards(figure: Figure, added: Sequence[Added], chunk: CleanChunk) -> Iterator[LateChange]:
    offsets, closings, closes = chunk.offsets, chunk.closings, figure.window.span.closes
    new = old = figure.value
    for place in range(len(added) - 1, -1, -1):
        at, amount = added[place]
        if closings[at] < closes:
            return
        old -= amount
        if not place or offsets[added[place - 1][0]] != offsets[at]:
            yield LateChange(offsets[at], figure.id, old, new, closings[at])
            new = old
