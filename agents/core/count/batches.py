"""Cutting a clean chunk so that what each part writes fits one record batch (design 2.1, rule 2).

A chunk of many companies touches far more keys than it has events: with a company's first active user of a day up to
36 sliding windows become figures. So a chunk may be folded in parts, between two raw records.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from agents.core.count.plan import Plan, ShapePlan
from agents.core.count.pre_aggregate import PreAggregate, pre_aggregate
from agents.core.shared.windows import day_of
from schemas.limits import DAY_MS
from schemas.wire.clean import CleanChunk
from schemas.wire.columns import Column

__all__ = ["BATCH_COST", "ROW_BYTES", "Slice", "slices"]

BATCH_COST: Final = 12 << 20
"""Bytes of state that one batch may hold by the bound that is used here, uncompressed."""
ROW_BYTES: Final = 64 + 100
"""Of a key and value beside the names in it, and of the record around them."""
_HELD_ROWS: Final = 8
"""Rows that what a company holds is as large as at most: five numbers a day, of the days that are not too late."""


class Slice(NamedTuple):
    """The events from index ``begin`` to before ``end``, grouped.

    ``rows`` bounds the keys of the state that they touch, ``row_bytes`` the bytes of each.
    """

    begin: int
    end: int
    pre_aggregate: PreAggregate
    rows: int
    row_bytes: int


def slices(chunk: CleanChunk, begin: int, plans: Sequence[ShapePlan], plan: Plan) -> Iterator[Slice]:
    """The events from index ``begin`` in as few parts as are within ``BATCH_COST``; a raw record is never cut.

    ``plans`` are those of the chunk's shapes by ``plan``. In one part the closing watermarks before the records are of
    one UTC day: what a company holds is forgotten by the day, so that in a part there is never room again.
    """
    if begin < len(chunk.offsets):
        widest = max(sum(map(len, shape.values)) + 16 * len(shape.values) for shape in chunk.shapes)
        row_bytes = ROW_BYTES + max(map(len, chunk.companies)) + widest
        cutting = _Cutting(chunk, plans, plan, row_bytes)
        for end in _days(chunk.closings, begin):
            yield from cutting.cut(begin, end)
            begin = end


def _days(closings: Column, begin: int) -> Iterator[int]:
    """Where each UTC day ends in a column of closing watermarks, which never fall, from index ``begin`` on."""
    while begin < len(closings):
        begin = bisect_left(closings, (day_of(closings[begin]) + 1) * DAY_MS, begin)
        yield begin


class _Cutting:
    def __init__(self, chunk: CleanChunk, plans: Sequence[ShapePlan], plan: Plan, row_bytes: int) -> None:
        self._chunk = chunk
        self._plan = plan
        self._row_bytes = row_bytes
        self._active = bytes([each.active for each in plans])
        self._installs = bytes([bool(each.sources) for each in plans])
        self._grouped = [each.counts.rows + each.sums.rows for each in plans]
        self._joined = [2 * each.sources.rows for each in plans]
        self._single = [2 * (each.gauges.rows + each.distributions.rows) for each in plans]
        """Rows of a group of alike events, of each source of such a group, of each event."""
        self._last_day = day_of(max(chunk.event_watermark, chunk.closing_watermark))

    def cut(self, begin: int, end: int) -> Iterator[Slice]:
        """The events from index ``begin`` to before ``end``."""
        found = pre_aggregate(self._chunk, begin, end, self._active, self._installs)
        rows = self._rows(found)
        is_large = rows * self._row_bytes > BATCH_COST
        middle = _between_records(self._chunk.offsets, begin, end) if is_large else end
        if middle == end:
            yield Slice(begin, end, found, rows, self._row_bytes)
        else:
            yield from self.cut(begin, middle)
            yield from self.cut(middle, end)

    def _rows(self, found: PreAggregate) -> int:
        rows = sum([self._grouped[group[1]] + group[3] * self._single[group[1]] for group in found.counts])
        rows += len(found.users)
        rows += sum([self._joined[group[1]] for group in found.installs])
        days = {(user[0], user[2]) for user in found.users}
        rows += sum([self._plan.user_rows(self._last_day - day) for _, day in days])
        rows += len({company for company, _ in days}) * self._plan.company_rows
        return rows + _HELD_ROWS * len({group[0] for group in found.counts})


def _between_records(offsets: Column, begin: int, end: int) -> int:
    """The index next to the middle at which a raw record begins; ``end`` where there is but one record."""
    middle = (begin + end) // 2
    for at in range(middle, end):
        if at > begin and offsets[at] != offsets[at - 1]:
            return at
    for at in range(middle, begin, -1):
        if offsets[at] != offsets[at - 1]:
            return at
    return end
