"""Gauges: the sum of the last readings of all sources in a window (edge 1.3).

A reading is of one source (the part before ``#``) and one combination of dimension values as sent; that with the
greatest time holds, of two alike the later in the log. It stays in the figure that it was first put into, which past a
bound of series is the one for all others. Nothing is carried over from one window to the next.
"""

from collections.abc import Iterator
from typing import NamedTuple

from agents.core.count.company_bounds import CompanyBounds, Held
from agents.core.count.figure import Figure, Window
from agents.core.count.figures import Figures
from agents.core.count.kinds.detail import Readings
from agents.core.count.kinds.part import Changes, Stretch
from agents.core.count.plan import Target
from agents.core.shared.joins import StateError, seal, value_reader
from agents.core.shared.records import LateChange
from agents.core.shared.windows import anchor_of
from schemas.limits import HOUR_MS, OTHER
from schemas.wire.aggregates import dimensions_text

__all__ = ["Gauges", "Reading", "figure_of", "reading_key"]

_read = value_reader("a reading of a gauge", tuple[int, int, bool])


class Reading(NamedTuple):
    """One reading with its time; ``is_other`` where the figure for all other combinations holds it."""

    value: int
    time: int
    is_other: bool


def reading_key(window: Window, values: tuple[str, ...], source: bytes) -> bytes:
    """The state's key of a source's reading of these dimension values in a window."""
    return b"g" + window.id + dimensions_text(window.metric.dimensions, values).encode() + b"|" + source


def figure_of(key: bytes) -> bytes:
    """Of such a key the id that a figure of these dimension values has."""
    return b"|".join(key[1:].split(b"|", 5)[:5])


class Gauges:
    """See :class:`agents.core.count.kinds.part.KindPart`."""

    def __init__(self, figures: Figures, changes: Changes, bounds: CompanyBounds) -> None:
        self._figures = figures
        self._changes = changes
        self._bounds = bounds
        self._windows: dict[bytes, dict[bytes, Reading]] = {}
        """By a window's id, by key."""
        self._touched: dict[bytes, Reading] = {}
        self._before: dict[Figure, tuple[int, tuple[int, ...]]] = {}
        """Figures of the record at hand: how they stood before it."""

    @property
    def rows(self) -> int:
        """See :class:`KindPart`."""
        return len(self._touched)

    def fold(self, stretch: Stretch) -> None:
        """Event by event: what holds depends on what came before. Changes are judged record by record."""
        if not any(plan.gauges for plan in stretch.plans):
            return
        chunk, plans = stretch.chunk, stretch.plans
        last = -1
        for at in range(stretch.part.begin, stretch.part.end):
            targets = plans[chunk.shape[at]].gauges
            if not targets:
                continue
            if last >= 0 and chunk.offsets[at] != chunk.offsets[last]:
                self._end_record(chunk.offsets[last], chunk.closings[last])
            last = at
            for target in targets.pairs:
                self._read(stretch, at, target)
        if last >= 0:
            self._end_record(chunk.offsets[last], chunk.closings[last])

    def _read(self, stretch: Stretch, at: int, target: Target) -> None:
        chunk, figures = stretch.chunk, self._figures
        company, time = chunk.companies[chunk.company[at]], chunk.times[at]
        value, source = chunk.measures[stretch.begins[at] + target.place], chunk.sources[chunk.source[at]]
        for size in target.metric.windows:
            window = figures.window(company, target.metric, size, anchor_of(size, time // HOUR_MS * HOUR_MS))
            figure = figures.figure(window, target.values)  # a counted event makes its combination known
            self._changes.touched[figure] = None
            if value >= 0:
                self._put(window, figure, target.values, source, value, time)

    def _put(
        self, window: Window, figure: Figure, values: tuple[str, ...], source: bytes, value: int, time: int
    ) -> None:
        readings, key = self._windows.setdefault(window.id, {}), reading_key(window, values, source)
        known = readings.get(key)
        if known is None:
            if not self._bounds.admit(window.company, window.span.end, Held.READINGS):
                return
            is_other = figure.values != values
            self._change(figure, value, 1)
        else:
            is_other = known.is_other
            if time < known.time:
                self._touched[key] = known
                return
            held_by = window.find((OTHER,) * len(values) if is_other else values)
            assert held_by is not None
            self._change(held_by, value - known.value, 0)
        readings[key] = self._touched[key] = Reading(value, time, is_other)

    def _change(self, figure: Figure, by: int, readings: int) -> None:
        detail = figure.detail
        assert isinstance(detail, Readings)
        self._before.setdefault(figure, (figure.value, detail.state()))
        self._changes.touched[figure] = None
        figure.value += by
        detail.sources += readings

    def _end_record(self, offset: int, closing: int) -> None:
        for figure, (value, state) in self._before.items():
            now = () if figure.detail is None else figure.detail.state()
            if (value, state) != (figure.value, now) and figure.change(0, offset, closing):
                self._changes.late.add(LateChange(offset, figure.id, value, figure.value, closing))
        self._before = {}

    # ---- state

    def restore(self, key: bytes, value: bytes) -> None:
        """Take up a reading; raises :class:`agents.core.shared.joins.StateError`."""
        reading = Reading(*_read(value))
        window = figure_of(key).rpartition(b"|")[0] + b"|"
        if window not in self._figures.windows:
            raise StateError("a reading without its figure")
        self._windows.setdefault(window, {})[key] = reading

    def is_whole(self, figure: Figure) -> bool:
        """Whether its readings are all there."""
        readings = [each.value for each in self._of(figure).values()]
        detail = figure.detail
        return isinstance(detail, Readings) and (len(readings), sum(readings)) == (detail.sources, figure.value)

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`KindPart`."""
        for key, reading in self._touched.items():
            yield key, seal(fence, reading)
        self._touched = {}

    def of(self, figure: Figure, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """What the state holds of one figure beside it."""
        for key, reading in self._of(figure).items():
            yield key, seal(fence, reading)

    def _of(self, figure: Figure) -> dict[bytes, Reading]:
        is_other, held = OTHER in figure.values, self._windows.get(figure.window.id, {})
        return {
            key: reading
            for key, reading in held.items()
            if reading.is_other is is_other and (is_other or figure_of(key) == figure.id)
        }

    def forget(self, window: Window) -> list[bytes]:
        """The window has expired; the keys that die."""
        return [*self._windows.pop(window.id, ())]
