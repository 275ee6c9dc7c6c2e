"""What was seen of each source: sequences as intervals, ids as keyed hashes by UTC day (design 1.5).

The keys of the state are those of :mod:`agents.core.accept.source`. All sources are in memory or, over a store, those
seen lately: of such a source the intervals, and of its ids the days and leaves that were asked for.
"""

from collections.abc import Iterable, Iterator

from agents.core.accept.hash_leaves import HashLeaves
from agents.core.accept.intervals import IntervalSet
from agents.core.accept.source import (
    NO_TIME,
    WORD,
    Source,
    company_of,
    keys_of,
    low_of,
    read_hashes,
    read_head,
    read_intervals,
    segments,
    split_segment_key,
    writes_of,
)
from agents.core.accept.source_table import NO_SOURCES, SourceTable, take_out
from agents.core.shared.store import Store
from schemas.limits import DAY_MS

__all__ = ["HOT_SOURCES", "Sources"]

HOT_SOURCES = 20_000
"""Sources and leaves of ids held in memory over a store, at most twice as many and a chunk's more."""
_HEAD_COST = 140


class Sources:
    """The sources of one partition by ``company|pseudonym``."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.table = SourceTable()
        """Those in memory: without a store all there are."""
        self.store: Store | None = None
        self._counts: dict[bytes, int] = {}
        """Over a store: of companies that were counted."""
        self._latest: dict[bytes, int] = {}
        """Of companies that were asked for: the greatest last time of their sources, also of those dropped since."""
        self._untimed: dict[bytes, set[bytes]] = {}
        """Of the same companies: their sources that are never forgotten."""
        self._hot = 0
        self._touched: dict[bytes, Source] = {}

    def is_forgotten(self, source: Source, watermark: int) -> bool:
        """Whether the watermark has left the source behind."""
        return self.is_behind(source.last_time, watermark)

    def is_behind(self, last_time: int, watermark: int) -> bool:
        """Whether the watermark has left a source with this last time behind."""
        return last_time != NO_TIME and last_time < watermark - self.lateness

    def is_day_over(self, day: int, watermark: int) -> bool:
        """Whether every event that could repeat an id of the day is too late."""
        return (day + 2) * DAY_MS <= watermark - self.lateness

    def count(self, company: bytes) -> int:
        """How many sources of a company lie here, those among them that are forgotten and not swept away yet."""
        if self.store is None:
            return len(self.table.known.get(company, ()))
        count = self._counts.get(company)
        if count is None:
            count = self._counts[company] = sum(1 for _ in self.all_of(company))
        return count

    def all_of(self, company: bytes) -> Iterator[tuple[bytes, bytes, int]]:
        """(key, base, last time) of every source of a company that lies here."""
        hot = self.table.group(company)
        for source in hot.values():
            yield source.key, source.base, source.last_time
        if self.store is not None:
            for name, value in self.store.scan(b"s" + company + b"|"):
                if name[1:] not in hot:
                    source = Source.restored(name[1:], value)
                    yield source.key, source.base, source.last_time

    def head(self, key: bytes) -> tuple[int, int] | None:
        """The first offset of the source and its last time; None where there is none."""
        source = self.table.get(key)
        if source is not None:
            return source.first_offset, source.last_time
        value = None if self.store is None else self.store.get(b"s" + key)
        return None if value is None else read_head(value)[:2]

    def last_time_of(self, key: bytes) -> int | None:
        """The last time of a source, None where there is none."""
        head = self.head(key)
        return None if head is None else head[1]

    def knows(self, company: bytes, watermark: int) -> bool:
        """Whether any source of a company is not forgotten as of ``watermark``."""
        latest = self._latest.get(company)
        if latest is None:
            latest = self._look_through(company)
        return latest is not None and (bool(self._untimed.get(company)) or not self.is_behind(latest, watermark))

    def _look_through(self, company: bytes) -> int | None:
        """The greatest last time of a company's sources, kept up to date from now on; None where there is none."""
        found = None
        for key, _, last_time in self.all_of(company):
            found = last_time if found is None else max(found, last_time)
            if last_time == NO_TIME:
                self._untimed.setdefault(company, set()).add(key)
        if found is not None:
            self._latest[company] = found
        return found

    def timed(self, source: Source) -> None:
        """The source has its present last time."""
        company, time = company_of(source.key), source.last_time
        latest = self._latest.get(company)
        if latest is None:
            return
        if time == NO_TIME:
            self._untimed.setdefault(company, set()).add(source.key)
        elif company in self._untimed:
            self._untimed[company].discard(source.key)
        if time > latest:
            self._latest[company] = time

    def find(self, key: bytes) -> Source | None:
        """The source, be it forgotten or not; None where there is none."""
        source = self.table.known.get(company_of(key), NO_SOURCES).get(key)
        return source if source is not None or self.store is None else self._recall(self.store, key)

    def begin(self, key: bytes, base: bytes, offset: int, former: Source | None, tombstones: list[bytes]) -> Source:
        """A source that is seen for the first time, or again after its ``former`` was forgotten, from ``offset`` on."""
        if former is not None and self.store is None:  # in a store a sweep finds what it left behind
            tombstones.extend(keys_of(former)[1:])
        source = Source(key, offset, base)
        company = company_of(key)
        if former is None and company in self._counts:
            self._counts[company] += 1
        self.table.put(source)
        if self.store is not None:
            source.fetch_day = self._fetch_day
        return source

    def forget(self, key: bytes) -> None:
        """A source has expired; over a store its keys stay there until they are deleted."""
        company = company_of(key)
        take_out(self.table.known, key)
        if self.store is None:
            if company not in self.table.known:
                self._latest.pop(company, None)
            return
        take_out(self.table.older, key)
        if company in self._counts:
            self._counts[company] -= 1

    def touch(self, source: Source) -> int:
        """Have the source written with the chunk; by how many bytes at most the chunk's state grew."""
        self.timed(source)
        cost = self.touch_cost(source)
        if not source.dirty:
            source.dirty = True
            self._touched[source.key] = source
        return cost

    @staticmethod
    def touch_cost(source: Source) -> int:
        """What ``touch`` would return."""
        return 0 if source.dirty else _HEAD_COST + len(source.key)

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """Every key that was touched since this was last asked."""
        for source in self._touched.values():
            source.dirty = False
            if self.table.known.get(company_of(source.key), NO_SOURCES).get(source.key) is source:
                yield from writes_of(source, fence)
        self._touched = {}

    def restore(self, items: Iterable[tuple[bytes, bytes]], watermark: int) -> list[bytes]:
        """Take up joined keys of the kinds above; returns those that are dead."""
        segments: list[tuple[bytes, bytes]] = []
        dead: list[bytes] = []
        inline: dict[bytes, bool] = {}
        for key, value in items:
            if key[:1] != b"s":
                segments.append((key, value))
                continue
            source = Source.restored(key[1:], value)
            if self.is_forgotten(source, watermark):
                dead.append(key)
                continue
            inline[key[1:]] = read_head(value)[2] is not None
            self.table.put(source)
        leaves: dict[tuple[bytes, int], list[tuple[int, bytes]]] = {}
        for key, value in segments:
            name, first_offset, day, low = split_segment_key(key)
            owner = self.table.get(name)
            if owner is None or owner.first_offset != first_offset or (day >= 0 and self.is_day_over(day, watermark)):
                dead.append(key)
            elif day >= 0 or not inline[name]:
                leaves.setdefault((name, day), []).append((low, value))
        for (name, day), found in leaves.items():
            source = self.table.known[company_of(name)][name]
            if day < 0:
                source.sequences = IntervalSet([(low, read_intervals(leaf)) for low, leaf in found])
            else:
                source.days[day] = HashLeaves([(low, read_hashes(leaf)) for low, leaf in found])
        return dead

    # ---- over a store

    def attach(self, store: Store) -> None:
        """Read from ``store`` from now on."""
        self.store = store

    def settle(self) -> None:
        """All that changed is in the store: let go of what was not used lately."""
        if self.store is not None and self._hot > HOT_SOURCES:
            self.table.age()
            self._hot, self._counts, self._latest, self._untimed = 0, {}, {}, {}

    def _recall(self, store: Store, key: bytes) -> Source | None:
        """A source that was not used lately is from now on."""
        self._hot += 1
        source = take_out(self.table.older, key)
        if source is not None:
            for ids in source.days.values():
                ids.release()
        elif (value := store.get(b"s" + key)) is not None:
            source = Source.restored(key, value)
            source.fetch_day = self._fetch_day
            if read_head(value)[2] is None:
                leaves = store.scan(segments(b"q", key, source.first_offset))
                source.sequences = IntervalSet([(low_of(name), read_intervals(leaf)) for name, leaf in leaves])
        if source is not None:
            self.table.put(source)
        return source

    def _fetch_day(self, source: Source, day: int) -> HashLeaves:
        store, prefix = self.store, segments(b"i", source.key, source.first_offset) + day.to_bytes(WORD, "big")
        if store is None:
            return HashLeaves()

        def fetch(low: int) -> bytes:
            self._hot += 1
            value = store.get(prefix + low.to_bytes(WORD, "big"))
            return b"" if value is None else read_hashes(value)

        return HashLeaves.stored([low_of(name) for name, _ in store.scan(prefix)], fetch)
