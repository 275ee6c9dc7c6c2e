"""Cutting a clean chunk so that what each part writes fits one record batch (design 2.1, rule 2).

A chunk of many companies touches far more keys than it has events: a company's first active user of a day is in
39 windows at once. So a chunk may be folded in parts, between two raw records.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agents.core.count_plan import ShapePlan
from agents.core.tally import Tally, tally
from schemas.clean import CleanChunk

__all__ = ["BATCH_COST", "ROW_BYTES", "Slice", "slices"]

BATCH_COST: Final = 12 << 20
"""Bytes of state that one batch may hold by the bound that is used here, uncompressed."""
ROW_BYTES: Final = 64 + 100
"""Of a key and value beside the names in it, and of the record around them."""


class Slice(NamedTuple):
    """The events from index ``begin`` to before ``end``, grouped.

    ``rows`` bounds the keys of the state that they touch, ``row_bytes`` the bytes of each.
    """

    begin: int
    end: int
    tally: Tally
    rows: int
    row_bytes: int


def slices(chunk: CleanChunk, begin: int, plans: Sequence[ShapePlan], user_windows: int) -> Iterator[Slice]:
    """The events from index ``begin`` in as few parts as are within ``BATCH_COST``; a raw record is never cut.

    ``plans`` are those of the chunk's shapes, ``user_windows`` in how many windows a company's users of a day are.
    """
    if begin < len(chunk.offsets):
        widest = max(sum(map(len, shape.values)) + 16 * len(shape.values) for shape in chunk.shapes)
        row_bytes = ROW_BYTES + max(map(len, chunk.companies)) + widest
        yield from _cut(chunk, begin, len(chunk.offsets), plans, (user_windows, row_bytes))


def _cut(
    chunk: CleanChunk, begin: int, end: int, plans: Sequence[ShapePlan], bounds: tuple[int, int]
) -> Iterator[Slice]:
    user_windows, row_bytes = bounds
    active, installs = bytes([plan.active for plan in plans]), bytes([bool(plan.sources) for plan in plans])
    found = tally(chunk, begin, end, active, installs)
    counted, joined = [plan.counts.rows for plan in plans], [2 * plan.sources.rows for plan in plans]
    rows = sum([counted[group[1]] for group in found.counts]) + sum([joined[group[1]] for group in found.installs])
    rows += len(found.users) + len({(user[0], user[2]) for user in found.users}) * user_windows
    middle = _between_records(chunk.offsets, begin, end) if rows * row_bytes > BATCH_COST else end
    if middle == end:
        yield Slice(begin, end, found, rows, row_bytes)
    else:
        yield from _cut(chunk, begin, middle, plans, bounds)
        yield from _cut(chunk, middle, end, plans, bounds)


def _between_records(offsets: list[int], begin: int, end: int) -> int:
    """The index next to the middle at which a raw record begins; ``end`` where there is but one record."""
    middle = (begin + end) // 2
    for at in range(middle, end):
        if at > begin and offsets[at] != offsets[at - 1]:
            return at
    for at in range(middle, begin, -1):
        if offsets[at] != offsets[at - 1]:
            return at
    return end
