"""Days of event time through both folds in memory, with people and app instances that come and go, and their state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord, StateWrite
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant

__all__ = ["Held", "Lifetime", "StateLog", "anonymizing"]

_START = 1_780_272_000_000  # 2026-06-01
_COMPANY = "acme"


def anonymizing(deciding: Deciding) -> AnonymizeFold:
    """A first fold of the only partition."""
    pseudonyms = Pseudonyms(bytes(32))
    return AnonymizeFold(deciding, pseudonyms, topic="raw", partition=0, partitions=1, digest="fold")


class StateLog:
    """What a changelog holds once it is compacted: the last value of every key that was not deleted."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.written = 0
        """Bytes of keys and values ever written."""
        self.deleted = 0
        """Keys ever deleted."""

    def apply(self, writes: list[StateWrite]) -> None:
        """Take a batch."""
        for write in writes:
            key, value = write.key, write.value
            self.written += len(key) + len(value or b"")
            if value is None:
                self.deleted += self.values.pop(key, None) is not None
            else:
                self.values[key] = value

    def size(self) -> int:
        """Bytes of keys and values."""
        return sum(len(key) + len(value) for key, value in self.values.items())


@dataclass(frozen=True, slots=True)
class Held:
    """How much state there is after a day, by both folds and both changelogs."""

    day: int
    events: int
    users: int
    sources: int
    windows: int
    figures: int
    keys: int
    size: int
    deleted: int


class Lifetime:
    """``active`` people a day, of whom ``fresh`` are new and as many have left for good; ten of them at a source.

    Every second source numbers its events, the others' ids are remembered.
    """

    def __init__(self, deciding: Deciding, *, active: int, fresh: int) -> None:
        self.first = anonymizing(deciding)
        self.second = AggregateFold(deciding, 0)
        self.logs = (StateLog(), StateLog())
        self._emission = Emission(self.second)
        self._active = active
        self._fresh = fresh
        self._offset = 0
        self._events = 0
        self._numbers: dict[int, int] = {}

    def live(self, day: int) -> Held:
        """Fold a day, hour by hour, and emit."""
        for hour in range(24):
            records = [*self._records(day, hour)]
            while records:
                folded = self.first.fold(records)
                records = records[folded.count :]
                self.logs[0].apply(folded.writes)
                for part in self.second.fold([(self._offset, folded.chunk)]):
                    self.logs[1].apply(part.writes)
            self._emit()
        windows = self.second.figures.windows
        return Held(
            day,
            self._events,
            sum(len(users) for users in self.second.activity.users.values()),
            sum(key[:1] == b"s" for key in self.logs[0].values),
            len(windows),
            sum(len(window.figures()) for window in windows.values()),
            sum(len(log.values) for log in self.logs),
            sum(log.size() for log in self.logs),
            sum(log.deleted for log in self.logs),
        )

    def _emit(self) -> None:
        if self._emission.begin():
            while self._emission.under_way:
                self._emission.draw(10_000)
            self.logs[1].apply([self._emission.finish(0)])

    def _records(self, day: int, hour: int) -> Iterator[RawRecord]:
        for number in range(hour, self._active, 24):
            user = day * self._fresh + number
            source = user // 10
            at = _START + day * DAY_MS + hour * HOUR_MS + number
            event: dict[str, Any] = {
                "specversion": "1.0",
                "id": f"{day}-{user}",
                "source": f"app-{source}",
                "type": "prompt.submitted" if number % 2 else "app.started",
                "time": instant(at, fraction=True),
                "company": _COMPANY,
                "data": {
                    "user": f"user{user}",
                    "assistant": f"a{number % 7}",
                    "module": "m",
                    "application": "web",
                    "version": f"1.{day // 7}",
                    "environment": "prod",
                },
            }
            if source % 2:
                self._numbers[source] = self._numbers.get(source, -1) + 1
                event["sequence"] = self._numbers[source]
            yield RawRecord(self._offset, at, _COMPANY.encode(), orjson.dumps(event), ())
            self._offset += 1
            self._events += 1
