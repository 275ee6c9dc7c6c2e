"""When windows into which events fell will close: what tells an idle partition's owner to append a tick."""

from functools import lru_cache

from agents.core.shared.windows import anchor_of, span_of
from schemas.catalogue.metrics import WindowSize
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS

__all__ = ["OpenWindows"]

_KEPT_HOURS = 256
"""Hours whose closing times are kept worked out, some 2 KB each: those of the present and some late ones."""

_TUMBLING = (WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH)


class OpenWindows:
    """Closing times (end plus grace) of one partition that the closing watermark has not passed."""

    def __init__(self, deciding: Deciding, times: tuple[int, ...] = ()) -> None:
        self._deciding = deciding
        sizes = {size for metric in deciding.catalogue.metrics.values() for size in metric.windows}
        self._sliding = sorted(size for size in sizes if size.sliding_days)
        self._times = set(times)
        self._hours: set[tuple[int, bool]] = set()
        self._closes = lru_cache(maxsize=_KEPT_HOURS)(self._work_out)

    def fell(self, hour: int, *, active: bool) -> None:
        """An event was counted in this hour since 1970; ``active`` where it made its user active."""
        if (hour, active) not in self._hours:
            self._hours.add((hour, active))
            self._times.update(self._closes(hour, active))

    def _work_out(self, hour: int, active: bool) -> frozenset[int]:
        time = hour * HOUR_MS
        found = {span_of(size, anchor_of(size, time), self._deciding).closes for size in _TUMBLING}
        for size in self._sliding if active else ():
            day = anchor_of(size, time)
            found |= {
                span_of(size, day + ahead * DAY_MS, self._deciding).closes for ahead in range(size.sliding_days or 0)
            }
        return frozenset(found)

    def above(self, closing: int) -> list[int]:
        """The times above the closing watermark, ascending; those at or below are forgotten."""
        self._times = {time for time in self._times if time > closing}
        self._hours.clear()
        return sorted(self._times)
