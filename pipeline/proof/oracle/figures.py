"""Figures in the making, one class a kind: everything that is in one is kept (design 1.3, edge 1.3).

For the oracle and ``explain``; nothing is shared with the folds.
"""

from typing import NamedTuple, Protocol

from schemas.catalogue.metrics import Kind, Metric

__all__ = ["Brought", "Made", "Making", "making_of"]


class Brought(NamedTuple):
    """What an event brings to a figure: who acted or which source, by any name; the number in its field, if any."""

    member: object
    values: tuple[str, ...]
    time: int
    number: int | None


class Making(Protocol):
    """One figure, to which an event may bring something."""

    def add(self, brought: Brought) -> None:
        """Take in an event of the metric."""
        ...

    @property
    def value(self) -> int:
        """The figure."""
        ...

    @property
    def readings(self) -> int:
        """How many readings it is made of; 0 for a kind that has none."""
        ...

    @property
    def members(self) -> str:
        """Its further members as JSON, each with a comma behind it."""
        ...


class _Count:
    members = ""
    readings = 0

    def __init__(self, metric: Metric) -> None:
        self._field = metric.field
        self.value = 0

    def add(self, brought: Brought) -> None:
        self.value += 1 if self._field is None else brought.number or 0


class _Distinct:
    members = ""
    readings = 0

    def __init__(self) -> None:
        self._found: set[object] = set()

    def add(self, brought: Brought) -> None:
        self._found.add(brought.member)

    @property
    def value(self) -> int:
        return len(self._found)


class _Gauge:
    """Readings by source and values as sent; whoever keeps figures says which of them are of this one."""

    def __init__(self) -> None:
        self._last: dict[tuple[object, tuple[str, ...]], tuple[int, int]] = {}
        self.value = 0

    def add(self, brought: Brought) -> None:
        if brought.number is None:
            return
        time, value = self._last.get(brought[:2], (-1, 0))
        if brought.time >= time:
            self._last[brought[:2]] = (brought.time, brought.number)
            self.value += brought.number - value

    @property
    def readings(self) -> int:
        return len(self._last)

    @property
    def members(self) -> str:
        return f'"sources":{self.readings},'


class _Distribution:
    def __init__(self) -> None:
        self._readings: list[int] = []

    def add(self, brought: Brought) -> None:
        if brought.number is not None:
            self._readings.append(brought.number)

    @property
    def readings(self) -> int:
        return len(self._readings)

    value = readings

    @property
    def members(self) -> str:
        ordered, bins = sorted(self._readings), dict[tuple[int, int], int]()
        for reading in ordered:
            bins[_bin(reading)] = bins.get(_bin(reading), 0) + 1
        parts = [f'"sum":{sum(ordered)},"min":{ordered[0]},"max":{ordered[-1]}']
        for percent in (50, 95, 99):
            rank = (percent * len(ordered) + 99) // 100
            low, high = _bin(ordered[rank - 1])
            parts.append(f'"p{percent}":{min(max((low + high) // 2, ordered[0]), ordered[-1])}')
        parts.append('"bins":[' + ",".join(f"[{low},{count}]" for (low, _), count in bins.items()) + "],")
        return ",".join(parts)


def _bin(reading: int) -> tuple[int, int]:
    """The lowest and the highest value of the bin of a reading."""
    low = 0
    while (width := max(1, low // 50)) <= reading - low:
        low += width
    return low, low + width - 1


def making_of(metric: Metric) -> Making:
    """A new figure of a metric."""
    if metric.kind is Kind.DISTINCT:
        return _Distinct()
    if metric.kind is Kind.GAUGE:
        return _Gauge()
    return _Distribution() if metric.kind is Kind.DISTRIBUTION else _Count(metric)


class Made:
    """A figure and what became of it.

    ``late`` is by raw offset: value before and after the record, and the closing watermark before it.
    """

    def __init__(self, metric: Metric) -> None:
        self.making = making_of(metric)
        self.changed = -1
        self.corrected = False
        self.late: dict[int, tuple[int, int, int]] = {}

    @property
    def stands(self) -> tuple[int, int]:
        """What changes with everything that a record shows of it."""
        return self.making.value, self.making.readings

    def settle(self, before: tuple[int, int], offset: int, closing_watermark: int | None) -> None:
        """The record at ``offset`` is over; ``closing_watermark`` is the one before it where the window was closed."""
        if before == self.stands:
            return
        self.changed = offset
        if closing_watermark is not None:
            self.corrected = True
            self.late[offset] = (before[0], self.making.value, closing_watermark)
