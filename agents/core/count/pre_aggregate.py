"""The events of a stretch of a clean chunk, grouped by what they have in common, before any state is asked.

Of a group only its size and its first or last event matter to the second fold. Groups come in the order of their first
events. The compiled form is ``agents/core/native/pre_aggregate.c``.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from agents.core.native import pre_aggregate_columns
from schemas.limits import HOUR_MS
from schemas.wire.clean import CleanChunk

__all__ = ["Group", "PreAggregate", "events_of", "pre_aggregate", "pre_aggregate_in_python"]

_DAY_HOURS = 24
Group = tuple[int, int, int]
"""Company and shape as numbers of a chunk, hour."""
_LATEST = (2**31 - 1) * HOUR_MS
"""Milliseconds; both forms take times before it."""
_MOST_WIDTH = 255
"""Measures of an event that the compiled form takes."""


class PreAggregate(NamedTuple):
    """Numbers are those of the chunk's dictionaries and columns; hours and days count from 1970-01-01 UTC."""

    counts: list[tuple[int, int, int, int, int]]
    """Company, shape, hour; how many events, the index of the last."""
    users: list[tuple[int, int, int, int]]
    """Company, user, day; the index of the first event. Only of events by which their user was active."""
    installs: list[tuple[int, int, int, int, int]]
    """Company, shape, source, hour; the index of the first event. Only of shapes that count their source."""
    sums: list[tuple[int, ...]]
    """Of each group of ``counts``, by measure: the sum, the index of the last event that adds to it, -1 without one.

    Empty where no shape has measures. An absent measure adds nothing.
    """


def pre_aggregate(chunk: CleanChunk, begin: int, end: int, active: bytes, installs: bytes) -> PreAggregate:
    """The events from index ``begin`` to before ``end``; ``active`` and ``installs`` hold a byte a shape, 1 for yes.

    Raises IndexError where a column points past its dictionary: no fold wrote such a chunk.
    """
    widths = [shape.measures for shape in chunk.shapes]
    if pre_aggregate_columns is not None and max(widths, default=0) <= _MOST_WIDTH:
        columns = (chunk.times, chunk.company, chunk.shape, chunk.user, chunk.source, chunk.measures)
        sizes = (len(chunk.companies), len(chunk.users), len(chunk.sources), _position(chunk, begin))
        found = pre_aggregate_columns(columns, begin, end, active, installs, bytes(widths), sizes)
        if found is not None:  # None where groups collide past the bound
            return PreAggregate(*found)
    return pre_aggregate_in_python(chunk, begin, end, active, installs)


def pre_aggregate_in_python(chunk: CleanChunk, begin: int, end: int, active: bytes, installs: bytes) -> PreAggregate:
    """As :func:`pre_aggregate`, without the compiled form."""
    _require_known(chunk, begin, end)
    hours = [time // HOUR_MS for time in chunk.times[begin:end]]
    company, shape, user = chunk.company[begin:end], chunk.shape[begin:end], chunk.user[begin:end]
    groups = [*zip(company, shape, hours, strict=True)]
    sizes, lasts = Counter(groups), dict(zip(groups, range(begin, end), strict=True))
    users: dict[tuple[int, int, int], int] = {}
    if any(active):
        for at, (of, who, kind, hour) in enumerate(zip(company, user, shape, hours, strict=True), begin):
            if who >= 0 and active[kind]:
                users.setdefault((of, who, hour // _DAY_HOURS), at)
    sources: dict[tuple[int, int, int, int], int] = {}
    if any(installs):
        for at, ((of, kind, hour), source) in enumerate(zip(groups, chunk.source[begin:end], strict=True), begin):
            if installs[kind]:
                sources.setdefault((of, kind, source, hour), at)
    sums = _sums_of(chunk, groups, begin)
    return PreAggregate(
        [(*group, sizes[group], last) for group, last in lasts.items()],
        [(*key, at) for key, at in users.items()],
        [(*key, at) for key, at in sources.items()],
        [tuple(sums[group]) for group in lasts] if sums else [],
    )


def _require_known(chunk: CleanChunk, begin: int, end: int) -> None:
    """Raise IndexError where a number is none of its dictionary's; Python would count some from the end."""
    bounds = (
        (chunk.times, 0, _LATEST),
        (chunk.company, 0, len(chunk.companies)),
        (chunk.shape, 0, len(chunk.shapes)),
        (chunk.user, -1, len(chunk.users)),
        (chunk.source, 0, len(chunk.sources)),
    )
    for column, least, most in bounds:
        told = column[begin:end]
        if told and not (least <= min(told) and max(told) < most):
            raise IndexError("a column points past its dictionary")


def _sums_of(chunk: CleanChunk, groups: Sequence[Group], begin: int) -> dict[Group, list[int]]:
    found: dict[Group, list[int]] = {}
    widths, position = [shape.measures for shape in chunk.shapes], _position(chunk, begin)
    for at, group in enumerate(groups if any(widths) else (), begin):
        width = widths[group[1]]
        held = found.setdefault(group, [0, -1] * width)
        for place in range(width):
            amount = chunk.measures[position + place]
            if amount > 0:
                held[2 * place] += amount
                held[2 * place + 1] = at
        position += width
    return found


def _position(chunk: CleanChunk, begin: int) -> int:
    """Where the measures of the event at index ``begin`` begin."""
    widths = [shape.measures for shape in chunk.shapes]
    return sum([widths[shape] for shape in chunk.shape[:begin]]) if begin > 0 and any(widths) else 0


def events_of(groups: Collection[Group], chunk: CleanChunk, begin: int, end: int) -> dict[Group, list[int]]:
    """The indices of the events of some groups, ascending, from index ``begin`` to before ``end``."""
    events: dict[Group, list[int]] = {group: [] for group in groups}
    for at in range(begin, end):
        group = (chunk.company[at], chunk.shape[at], chunk.times[at] // HOUR_MS)
        if group in events:
            events[group].append(at)
    return events
