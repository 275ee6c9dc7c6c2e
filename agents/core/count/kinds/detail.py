"""What a figure of some kinds is beside its value: how it stands in the state, and its further members in a record."""

from typing import Protocol

from agents.core.count.kinds.bins import BEGINS, bin_of, quantile
from agents.core.shared.joins import StateError
from schemas.catalogue.metrics import Kind

__all__ = ["Bins", "Detail", "Readings", "detail_of"]


class Detail(Protocol):
    """What is held beside a figure's value."""

    def members(self) -> str:
        """The further members of the aggregate record as JSON, each followed by a comma."""
        ...

    def state(self) -> tuple[int, ...]:
        """What follows the value, the last change and whether it was corrected, in the figure's value of the state."""
        ...


class Readings:
    """Of a gauge: how many readings its value is the sum of."""

    __slots__ = ("sources",)

    def __init__(self, sources: int = 0) -> None:
        self.sources = sources

    def members(self) -> str:
        """See :class:`Detail`."""
        return f'"sources":{self.sources},'

    def state(self) -> tuple[int, ...]:
        """See :class:`Detail`."""
        return (self.sources,)


class Bins:
    """Of a distribution, whose value is how many readings it has: sum, least, greatest, and how many in each bin."""

    __slots__ = ("counts", "least", "most", "total")

    def __init__(self, total: int = 0, least: int = 0, most: int = 0) -> None:
        self.total = total
        self.least = least
        self.most = most
        self.counts: dict[int, int] = {}

    def add(self, reading: int) -> int:
        """Put a reading in; the number of its bin."""
        number = bin_of(reading)
        self.least = min(self.least, reading) if self.counts else reading
        self.most = max(self.most, reading)
        self.total += reading
        self.counts[number] = self.counts.get(number, 0) + 1
        return number

    def members(self) -> str:
        """See :class:`Detail`."""
        counts, least, most = self.counts, self.least, self.most
        middle = ",".join([f'"p{percent}":{quantile(counts, percent, least, most)}' for percent in (50, 95, 99)])
        bins = ",".join([f"[{BEGINS[number]},{counts[number]}]" for number in sorted(counts)])
        return f'"sum":{self.total},"min":{least},"max":{most},{middle},"bins":[{bins}],'

    def state(self) -> tuple[int, ...]:
        """See :class:`Detail`; how many readings are in each bin stands under keys of their own."""
        return self.total, self.least, self.most


def detail_of(kind: Kind, state: tuple[int, ...] = ()) -> Detail | None:
    """A detail for a figure of this kind, from what its ``state`` was; None for a kind without.

    Raises :class:`agents.core.shared.joins.StateError` where the state is that of another kind.
    """
    made: Detail | None = None
    if kind is Kind.GAUGE:
        made = Readings(*state[:1])
    elif kind is Kind.DISTRIBUTION:
        made = Bins(*state[:3])
    if len(state) not in {0, 0 if made is None else len(made.state())}:
        raise StateError("a figure has another shape")
    return made
