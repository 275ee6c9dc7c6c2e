"""The figures of a partition, by window, and the index that says which are due at the sink."""

from collections.abc import Iterator
from heapq import heappop, heappush

from agents.core.count_plan import Targets
from agents.core.count_state import Entry, Named, name_of, span_expired
from agents.core.windows import NEVER, Span, anchor_of, span_of
from schemas.aggregates import Status, aggregate_id, dimensions_text, encode_aggregate
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS, OTHER
from schemas.metrics import Metric, WindowSize

__all__ = ["Figure", "Figures", "Window"]

_MOST_COUNTED = 50_000
"""Combinations of company, hour and shape of which the figures are remembered."""


class Window:
    """One window of one metric of one company with its figures by dimension values.

    Most have one figure, for which a dict would be the largest part of a window.
    """

    __slots__ = ("_first", "_more", "company", "metric", "named", "span")

    def __init__(self, company: str, metric: Metric, span: Span) -> None:
        self.company = company
        self.metric = metric
        self.span = span
        self.named = 0
        self._first: Figure | None = None
        self._more: dict[tuple[str, ...], Figure] | None = None

    @property
    def last(self) -> int:
        """The raw offset of the last change of any of its figures."""
        return max((figure.last for figure in self.figures()), default=-1)

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
        if OTHER not in values:
            self.named += 1
        return figure


class Figure:
    """One figure; ``sent`` is the last revision drawn for the sink by this owner, -1 if none.

    ``last`` is the raw offset of the last change.
    """

    __slots__ = ("corrected", "id", "last", "sent", "value", "values", "window")

    def __init__(self, window: Window, values: tuple[str, ...]) -> None:
        metric, span = window.metric, window.span
        self.window = window
        self.values = values
        text = dimensions_text(metric.dimensions, values)
        self.id = aggregate_id(window.company, metric.name, span.size.value, span.start, text).encode()
        self.value = 0
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
        )


class Figures:
    """All figures of a partition with their indexes: by window, by due time and by end."""

    def __init__(self, deciding: Deciding) -> None:
        self.deciding = deciding
        self.windows: dict[tuple[str, str, WindowSize, int], Window] = {}
        self.dirty: dict[Figure, None] = {}
        self.due_through = NEVER
        self._due: dict[int, list[Window]] = {}
        self._due_times: list[int] = []
        self._ends: dict[int, list[tuple[str, str, WindowSize, int]]] = {}
        self._end_times: list[int] = []
        self._counted: dict[tuple[str, int, Targets], tuple[Figure, ...]] = {}

    def window(self, company: str, metric: Metric, size: WindowSize, anchor: int) -> Window:
        """The window, made if it is not there."""
        key = (company, metric.name, size, anchor)
        window = self.windows.get(key)
        if window is None:
            span = span_of(size, anchor, self.deciding)
            window = self.windows[key] = Window(company, metric, span)
            for due in (span.shows, span.closes):
                if due > self.due_through:
                    if due not in self._due:
                        heappush(self._due_times, due)
                    self._due.setdefault(due, []).append(window)
            if span.end not in self._ends:
                heappush(self._end_times, span.end)
            self._ends.setdefault(span.end, []).append(key)
        return window

    def figure(self, window: Window, values: tuple[str, ...]) -> Figure:
        """The figure for these dimension values, made if it is not there; past ``max_series`` the other one."""
        figure = window.find(values)
        if figure is not None:
            return figure
        if values and window.named >= self.deciding.max_series:
            values = (OTHER,) * len(values)
            figure = window.find(values)
        return window.make(values) if figure is None else figure

    def counted(self, company: str, hour: int, targets: Targets) -> tuple[Figure, ...]:
        """The figures of ``targets`` for an hour since 1970; those asked for lately are remembered."""
        key = (company, hour, targets)
        found = self._counted.get(key)
        if found is None:
            if len(self._counted) >= _MOST_COUNTED:
                self._counted.clear()
            found = self._counted[key] = tuple(
                self.figure(self.window(company, metric, size, anchor_of(size, hour * HOUR_MS)), values)
                for metric, values in targets.pairs
                for size in metric.windows
            )
        return found

    def find(self, identity: str) -> Figure | None:
        """The figure with this aggregate id, None where it is not (or no longer) in the state.

        Raises :class:`agents.core.count_state.StateError` where it is no aggregate id.
        """
        named: Named = name_of(identity)
        window = self.windows.get((named.company, named.metric, named.size, named.anchor))
        return None if window is None else window.find(named.values)

    def fallen_due(self, closing: int) -> Iterator[Window]:
        """Windows that have closed or come to be shown since the last call; read to the end."""
        self.due_through = max(self.due_through, closing)
        found: list[Window] = []
        while self._due_times and self._due_times[0] <= closing:
            found += self._due.pop(heappop(self._due_times))
        return iter(found)

    def drop_expired(self, entry: Entry, limit: int) -> list[Figure]:
        """Forget expired windows, at most ``limit`` of them; their figures."""
        dropped: list[Figure] = []
        left = limit
        while self._end_times and left:
            bucket = self._ends[self._end_times[0]]
            while bucket and left:
                window = self.windows[bucket[-1]]
                if not span_expired(window.span, entry, self.deciding) or window.last > entry.emitted_fence:
                    return dropped
                dropped += self.windows.pop(bucket.pop()).figures()
                self._counted.clear()
                left -= 1
            if not bucket:
                del self._ends[heappop(self._end_times)]
        return dropped
