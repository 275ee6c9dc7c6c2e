"""What changed figures after their windows had closed: one correction a figure and raw record (ADR 0013).

The closing watermark never falls, so of all changes that one part of a chunk makes to a figure those before its
closing come first. What the late ones made of it is worked out from its value in the end, backwards by raw record: the
fold need not know what a figure was before each event, and what is told does not depend on how chunks are cut.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter

from agents.core.figure import Figure
from agents.core.records import LateChange
from schemas.clean import CleanChunk

__all__ = ["LateChanges"]

_offset = attrgetter("offset")


class LateChanges:
    """The late changes of one part of a chunk, which holds raw records whole."""

    def __init__(self) -> None:
        self._found: dict[Figure, list[Sequence[int]]] = {}

    def note(self, figure: Figure, events: Sequence[int]) -> None:
        """The events of these indices, ascending, added 1 each to ``figure``; the last found its window closed."""
        self._found.setdefault(figure, []).append(events)

    def settle(self, chunk: CleanChunk) -> list[LateChange]:
        """What they came to, by raw offset, now that every figure has its value after the part; begins anew."""
        if not self._found:
            return []
        settled: list[LateChange] = []
        for figure, noted in self._found.items():
            settled += _backwards(figure, noted[0] if len(noted) == 1 else sorted(chain.from_iterable(noted)), chunk)
        self._found = {}
        settled.sort(key=_offset)
        return settled


def _backwards(figure: Figure, events: Sequence[int], chunk: CleanChunk) -> Iterator[LateChange]:
    offsets, closings, closes = chunk.offsets, chunk.closings, figure.window.span.closes
    new = old = figure.value
    for place in range(len(events) - 1, -1, -1):
        at = events[place]
        if closings[at] < closes:
            return
        old -= 1
        if not place or offsets[events[place - 1]] != offsets[at]:
            yield LateChange(offsets[at], figure.id, old, new, closings[at])
            new = old
