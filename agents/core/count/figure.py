"""One figure, and a window with its figures by dimension values."""

from agents.core.count.kinds.detail import detail_of
from agents.core.shared.windows import Span
from schemas.catalogue.metrics import Kind, Metric
from schemas.limits import OTHER
from schemas.wire.aggregates import Status, dimensions_text, encode_aggregate

__all__ = ["Figure", "Window"]


_MOST_PACKED = (1 << 63) - 1
_GAUGE, _DISTRIBUTION = Kind.GAUGE, Kind.DISTRIBUTION


class Window:
    """One window of one metric of one company with its figures by dimension values.

    Most have one figure, for which a dict would be the largest part of a window. ``id`` is that of a figure of it
    without dimensions, which has the same object.
    """

    __slots__ = ("_first", "_more", "company", "id", "metric", "span")

    def __init__(self, company: str, metric: Metric, span: Span, identity: bytes) -> None:
        self.company = company
        self.metric = metric
        self.span = span
        self.id = identity
        self._first: Figure | None = None
        self._more: dict[tuple[str, ...], Figure] | None = None

    @property
    def last(self) -> int:
        """The raw offset of the last change of any of its figures."""
        return max((figure.last for figure in self.figures()), default=-1)

    @property
    def named(self) -> int:
        """How many figures count by name."""
        count = (self._first is not None) + (0 if self._more is None else len(self._more))
        return count - (self.find((OTHER,) * len(self.metric.dimensions)) is not None)

    def figures(self) -> tuple["Figure", ...]:
        """All of them, in the order in which they were made."""
        first = () if self._first is None else (self._first,)
        return first if self._more is None else (*first, *self._more.values())

    def find(self, values: tuple[str, ...]) -> "Figure | None":
        """The figure for these dimension values, if it is there."""
        first = self._first
        if first is not None and first.values == values:
            return first
        return None if self._more is None else self._more.get(values)

    def make(self, values: tuple[str, ...]) -> "Figure":
        """A new figure at 0, for values that have none."""
        figure = Figure(self, values)
        if self._first is None:
            self._first = figure
        else:
            self._more = self._more or {}
            self._more[values] = figure
        return figure


class Figure:
    """One figure; ``sent`` is the last revision drawn for the sink by this owner, -1 if none.

    ``last`` is the raw offset of the last change, -1 where a combination of dimension values is known and no more.
    ``detail`` is what it has beside its value.
    """

    __slots__ = ("corrected", "detail", "id", "last", "sent", "value", "values", "window")

    def __init__(self, window: Window, values: tuple[str, ...]) -> None:
        self.window = window
        self.values = values
        self.id = window.id + dimensions_text(window.metric.dimensions, values).encode() if values else window.id
        self.value = 0
        kind = window.metric.kind
        self.detail = detail_of(kind) if kind is _GAUGE or kind is _DISTRIBUTION else None  # most have none
        self.last = -1
        self.corrected = False
        self.sent = -1

    def change(self, by: int, offset: int, closing: int) -> bool:
        """Add ``by``, last at raw ``offset``, before whose record the closing watermark was ``closing``.

        Returns whether that found the window closed.
        """
        self.value += by
        self.last = max(self.last, offset)
        if closing >= self.window.span.closes:
            self.corrected = True
            return True
        return False

    def state(self) -> tuple[object, ...]:
        """What the state holds of it; MessagePack has no number past 64 bits."""
        value = self.value if self.value <= _MOST_PACKED else str(self.value)
        if self.detail is None:
            return (value, self.last, self.corrected)
        return (value, self.last, self.corrected, *self.detail.state())

    def revision(self, closing: int) -> int:
        """The revision under this closing watermark."""
        return 2 * self.last + (closing >= self.window.span.closes)

    def record(self, closing: int) -> bytes:
        """The aggregate record under this closing watermark, as JSON."""
        window = self.window
        span = window.span
        status = Status.CORRECTED if self.corrected else Status.FINAL if closing >= span.closes else Status.PROVISIONAL
        return encode_aggregate(
            self.id.decode(),
            window.company,
            window.metric,
            self.values,
            (span.size.value, span.start, span.end),
            self.value,
            status,
            self.revision(closing),
            closing,
            "" if self.detail is None else self.detail.members(),
        )
