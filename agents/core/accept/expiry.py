"""When sources and their ids expire, and the sweep that finds them: in memory, or over a store key by key.

It goes through all of them once a day of event time, a stretch at each chunk.
"""

from collections.abc import Iterator
from itertools import chain, islice

from agents.core.accept.source import WORD, keys_of, read_head, segment_key, split_segment_key
from agents.core.accept.sources import Sources
from agents.core.shared.store import Store, walk
from schemas.limits import DAY_MS

__all__ = ["SourceExpiry"]


class SourceExpiry:
    """Expiry of the sources of one partition."""

    __slots__ = ("_sources", "_sweep", "_swept_day")

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._sweep: Iterator[bytes | None] | None = None
        self._swept_day = -1

    def is_known_again(self, key: bytes, watermark: int) -> bool:
        """Whether the key of a source that was found dead is alive again."""
        head = self._sources.head(key[1:]) if key[:1] == b"s" else None
        return head is not None and not self._sources.is_behind(head[1], watermark)

    def is_dead(self, key: bytes, value: bytes, watermark: int) -> bool:
        """Whether a key of any kind of :mod:`agents.core.accept.source` is dead; others are not."""
        if key[:1] == b"s":
            return self._sources.is_behind(read_head(value)[1], watermark)
        return key[:1] in {b"q", b"i"} and self._is_left_behind(*split_segment_key(key)[:3], watermark)

    def _is_left_behind(self, name: bytes, first_offset: int, day: int, watermark: int) -> bool:
        """Whether a segment is of a former incarnation, or of a day that is over."""
        head = self._sources.head(name)
        if head is None or head[0] != first_offset or self._sources.is_behind(head[1], watermark):
            return True
        return day >= 0 and self._sources.is_day_over(day, watermark)

    def drop_expired(self, watermark: int, limit: int) -> list[bytes]:
        """Forget dead sources and days, looking at no more than ``limit`` sources or keys; the keys that died."""
        store = self._sources.store
        today = (watermark - self._sources.lateness) // DAY_MS
        if self._sweep is None and today > self._swept_day:
            self._swept_day = today
            self._sweep = self._all() if store is None else self._walk(store, watermark)
        if self._sweep is None:
            return []
        seen = list(islice(self._sweep, limit))
        if len(seen) < limit:
            self._sweep = None
        if store is not None:
            return [key for key in seen if key is not None]
        return [dead for key in seen if key is not None for dead in self._drop(key, watermark)]

    # ---- in memory

    def _all(self) -> Iterator[bytes]:
        """The key of every source in memory, each company's as they are when its turn comes."""
        table = self._sources.table
        for company in list(table.known):
            yield from list(table.known.get(company, ()))

    def _drop(self, key: bytes, watermark: int) -> list[bytes]:
        """Forget a source, or its days that are over; the keys that died."""
        source = self._sources.table.get(key)
        if source is None:
            return []
        if self._sources.is_forgotten(source, watermark):
            self._sources.forget(key)
            return keys_of(source)
        over = [day for day in source.days if self._sources.is_day_over(day, watermark)]
        return [segment_key(b"i", source, low, day) for day in over for low in source.days.pop(day).lows()]

    # ---- over a store

    def _walk(self, store: Store, watermark: int) -> Iterator[bytes | None]:
        """Every key of a source in ``store``, None for one that is alive; what is dead leaves memory too."""
        for key, value in walk(store, b"s"):
            name = key[1:]
            dead = self.is_dead(key, value, watermark) and not self.is_known_again(key, watermark)
            if dead:
                self._sources.forget(name)
            else:
                self._drop_days(name, watermark)
            yield key if dead else None
        group, dead = b"", False
        for key, _ in chain(walk(store, b"q"), walk(store, b"i")):
            if key[:-WORD] != group:  # leaves of one day are alive or dead together
                group, dead = key[:-WORD], self._is_left_behind(*split_segment_key(key)[:3], watermark)
            yield key if dead else None

    def _drop_days(self, name: bytes, watermark: int) -> None:
        source = self._sources.table.get(name)
        if source is not None:
            source.days = {
                day: ids for day, ids in source.days.items() if not self._sources.is_day_over(day, watermark)
            }
