"""The figures of a partition, by window, and the index that says which are due at the sink."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush

from agents.core.count.company_bounds import SERIES, CompanyBounds
from agents.core.count.figure import Figure, Window
from agents.core.count.pending_windows import PendingWindows, Run, Slide
from agents.core.count.plan import Targets
from agents.core.count.state import Entry, Named, StateError, name_of, pending_expired, span_expired
from agents.core.shared.windows import NEVER, anchor_of, day_of, span_of
from schemas.bounds import Bound
from schemas.catalogue.metrics import Metric, WindowSize
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS, OTHER
from schemas.wire.aggregates import aggregate_id

__all__ = ["Figures"]

_MOST_COUNTED = 50_000
"""Combinations of company, hour and shape of which the figures are remembered."""


class Figures:
    """All figures of a partition with their indexes: by window, by due time and by end, and what lies ahead of them."""

    def __init__(self, deciding: Deciding, slides: Sequence[Slide] = (), bounds: CompanyBounds | None = None) -> None:
        self.deciding = deciding
        self._bounds = CompanyBounds(deciding) if bounds is None else bounds
        self.slides = slides
        self.pending: dict[str, PendingWindows] = {}
        """By company."""
        self.windows: dict[bytes, Window] = {}
        """By the aggregate id of their figure without dimensions."""
        self.dirty: dict[Figure, None] = {}
        self.due_through = NEVER
        self._due: dict[int, list[Window]] = {}
        self._due_times: list[int] = []
        self._ends: dict[int, list[Window]] = {}
        self._end_times: list[int] = []
        self._counted: dict[tuple[str, int, Targets], tuple[Figure, ...]] = {}
        self._shown_through = day_of(NEVER)
        self._swept_through = day_of(NEVER)

    def window(self, company: str, metric: Metric, size: WindowSize, anchor: int) -> Window:
        """The window, made if it is not there."""
        span = span_of(size, anchor, self.deciding)
        identity = aggregate_id(company, metric.name, size.value, span.start).encode()
        window = self.windows.get(identity)
        if window is None:
            window = self.windows[identity] = Window(company, metric, span, identity)
            for due in (span.shows, span.closes):
                if due > self.due_through:
                    if due not in self._due:
                        heappush(self._due_times, due)
                    self._due.setdefault(due, []).append(window)
            if span.end not in self._ends:
                heappush(self._end_times, span.end)
            self._ends.setdefault(span.end, []).append(window)
        return window

    def figure(self, window: Window, values: tuple[str, ...]) -> Figure:
        """The figure for these dimension values, made if it is not there; past a bound of series the other one."""
        figure = window.find(values)
        if figure is not None:
            return figure
        if values and not self._has_room(window):
            values = (OTHER,) * len(values)
            figure = window.find(values)
        return window.make(values) if figure is None else figure

    def _has_room(self, window: Window) -> bool:
        """Whether the window, and its company, may have one more series by name."""
        if window.named >= self.deciding.max_series:
            return False
        return self._bounds.admit(window.company, window.span.end, SERIES[window.metric.kind])

    def counted(self, company: str, hour: int, targets: Targets) -> tuple[Figure, ...]:
        """The figures of ``targets`` for an hour since 1970; those asked for lately are remembered."""
        key = (company, hour, targets)
        found = self._counted.get(key)
        if found is None:
            over = self._bounds.over[Bound.SERIES]
            found = tuple(
                self.figure(self.window(company, metric, size, anchor_of(size, hour * HOUR_MS)), values)
                for metric, values, _ in targets.pairs
                for size in metric.windows
            )
            if self._bounds.over[Bound.SERIES] == over:  # a company may have room again later
                if len(self._counted) >= _MOST_COUNTED:
                    self._counted.clear()
                self._counted[key] = found
        return found

    def find(self, identity: str) -> Figure | None:
        """The figure with this aggregate id, None where it is not (or no longer) in the state.

        Raises :class:`agents.core.count.state.StateError` where it is no aggregate id.
        """
        named: Named = name_of(identity)
        window = self.windows.get(f"{identity.rpartition('|')[0]}|".encode())
        return None if window is None else window.find(named.values)

    def fallen_due(self, entry: Entry) -> Iterator[Window]:
        """Windows that have closed or come to be shown since the last call; read to the end."""
        self.show(entry)
        closing = entry.closing_watermark
        self.due_through = max(self.due_through, closing)
        found: list[Window] = []
        while self._due_times and self._due_times[0] <= closing:
            found += self._due.pop(heappop(self._due_times))
        return iter(found)

    # ---- windows ahead

    def restore_pending(self, company: str, through: int, named: Mapping[str, list[Run]]) -> None:
        """Take up what the state holds; raises :class:`agents.core.count.state.StateError`."""
        pending = self.pending[company] = PendingWindows(through, len(self.slides))
        places = {slide.name: place for place, slide in enumerate(self.slides)}
        for name, runs in named.items():
            if name not in places:
                raise StateError("what lies ahead of a company is of no known metric")
            pending.runs[places[name]] = runs

    def add_pending(self, named: Named, value: int, last: int, closing: int) -> bool:
        """Keep a figure of the state with what lies ahead, if it does: an earlier release or a promotion left it so."""
        day = day_of(named.anchor)
        if named.size.sliding_days is None:
            return False
        pending = self.pending.get(named.company)
        if day <= (day_of(closing) if pending is None else pending.through):
            return False
        if pending is None:
            pending = self.pending[named.company] = PendingWindows(day_of(closing), len(self.slides))
        place = [(slide.metric.name, slide.size) for slide in self.slides].index((named.metric, named.size))
        pending.add_figure(place, day, value, last)
        return True

    def reach(self, company: str, day: int, entry: Entry) -> tuple[PendingWindows, list[Figure]]:
        """What lies ahead of a company past ``day`` or a later one, and the figures of what lay there before."""
        pending = self.pending.get(company)
        if pending is None:
            pending = self.pending[company] = PendingWindows(day, len(self.slides))
            return pending, []
        return pending, [
            figure for place, run in pending.reach(day) for figure in self._made(company, place, run, entry)
        ]

    def show(self, entry: Entry) -> None:
        """Make figures, in memory alone, of what lies ahead and is to be shown under the closing watermark."""
        day = day_of(entry.closing_watermark)
        if day > self._shown_through:
            for company, pending in self.pending.items():
                for place, run in pending.shown(self._shown_through, day):
                    self._made(company, place, run, entry)
            self._shown_through = day

    def _made(self, company: str, place: int, run: Run, entry: Entry) -> list[Figure]:
        """Figures of a run of a slide, without those that have expired."""
        slide, made = self.slides[place], []
        for end in range(run.begin, run.end):
            span = span_of(slide.size, end * DAY_MS, self.deciding)
            if run.last > entry.emitted_fence or not span_expired(span, entry, self.deciding):
                figure = self.figure(self.window(company, slide.metric, slide.size, end * DAY_MS), ())
                figure.value, figure.last = run.value, run.last
                made.append(figure)
        return made

    def unshown(self, closing: int) -> Iterator[Figure]:
        """The figures that this closing watermark does not show yet; those of what lies ahead are made for it."""
        for window in self.windows.values():
            if window.span.shows > closing:
                yield from window.figures()
        for company, pending in self.pending.items():
            for place, runs in enumerate(pending.runs):
                slide = self.slides[place]
                for run in runs:
                    for end in range(max(run.begin, day_of(closing) + 1), run.end):
                        span = span_of(slide.size, end * DAY_MS, self.deciding)
                        identity = aggregate_id(company, slide.metric.name, slide.size.value, span.start)
                        figure = Window(company, slide.metric, span, identity.encode()).make(())
                        figure.value, figure.last = run.value, run.last
                        yield figure

    # ---- expiry

    def drop_pending(self, entry: Entry) -> list[str]:
        """Forget what lay ahead of companies and has expired, once a day of event time; these companies."""
        day = day_of(entry.emitted_event_watermark - self.deciding.lateness)
        if day <= self._swept_through:
            return []
        self._swept_through = day
        dead = [
            company
            for company, pending in self.pending.items()
            if pending_expired(pending.last_day, pending.last_change, entry, self.deciding)
        ]
        for company in dead:
            del self.pending[company]
        return dead

    def is_written(self, figure: Figure) -> bool:
        """Whether the state holds the figure as such, and not as lying ahead."""
        window = figure.window
        pending = None if window.span.size.sliding_days is None else self.pending.get(window.company)
        return pending is None or day_of(window.span.end) - 1 <= pending.through

    def drop_expired(self, entry: Entry, limit: int) -> list[Figure]:
        """Forget expired windows, at most ``limit`` of them; their figures."""
        dropped: list[Figure] = []
        left = limit
        while self._end_times and left:
            bucket = self._ends[self._end_times[0]]
            while bucket and left:
                window = bucket[-1]
                if not span_expired(window.span, entry, self.deciding) or window.last > entry.emitted_fence:
                    return dropped
                dropped += self.windows.pop(bucket.pop().id).figures()
                self._counted.clear()
                left -= 1
            if not bucket:
                del self._ends[heappop(self._end_times)]
        return dropped
