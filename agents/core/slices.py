"""Cutting a clean chunk so that what each part writes fits one record batch (design 2.1, rule 2).

A chunk of many companies touches far more keys than it has events: a company's first active user of a day is in
39 windows at once. So a chunk may be folded in parts, between two raw records.
"""

from collections.abc import Iterator
from typing import Final

from agents.core.count_plan import Plan
from schemas.clean import CleanChunk
from schemas.limits import DAY_MS

__all__ = ["BATCH_COST", "Slice", "slices"]

BATCH_COST: Final = 12 << 20
"""Bytes of state that one batch may hold by the bound that is used here, uncompressed."""
_ROW: Final = 64 + 100
"""Of a key and value beside the names in it, and of the record around them."""

Slice = tuple[int, int, int]
"""Index of the first event, index after the last, and a bound of the bytes of state that they write."""


def slices(chunk: CleanChunk, begin: int, plan: Plan) -> Iterator[Slice]:
    """The events from index ``begin`` in as few parts as are within ``BATCH_COST``; a raw record is never cut."""
    if begin < len(chunk.offsets):
        row = _ROW + max(map(len, chunk.companies))
        shapes = [(plan.of(shape).rows, sum(map(len, shape.values)) + 16 * len(shape.values)) for shape in chunk.shapes]
        yield from _cut(
            chunk, begin, len(chunk.offsets), [rows * (row + more) for rows, more in shapes], row * plan.user_windows
        )


def _cut(chunk: CleanChunk, begin: int, end: int, shapes: list[int], company_day: int) -> Iterator[Slice]:
    counted = sum([shapes[shape] for shape in chunk.shape[begin:end]])
    days = (max(chunk.times[begin:end]) - min(chunk.times[begin:end])) // DAY_MS + 2
    cost = counted + min(end - begin, len(chunk.companies) * days) * company_day
    if cost > BATCH_COST:
        columns = zip(chunk.company[begin:end], chunk.times[begin:end], strict=True)
        cost = counted + len({(company, time // DAY_MS) for company, time in columns}) * company_day
    middle = _between_records(chunk.offsets, begin, end) if cost > BATCH_COST else end
    if middle == end:
        yield begin, end, cost
    else:
        yield from _cut(chunk, begin, middle, shapes, company_day)
        yield from _cut(chunk, middle, end, shapes, company_day)


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
