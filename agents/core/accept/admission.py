"""Which companies and sources may be remembered: the bounds of the first fold (design 1.7).

What counts against a bound is what is alive as of the watermark, not what still lies in memory, so that a decision
follows from the log alone. As long as even the dead ones in memory are fewer than the bound nothing is counted; past
that a company gets an index of its own, exact and kept up to date, until half as many are left.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

from agents.core.accept.source import NO_TIME, Source, company_of
from agents.core.accept.sources import Sources
from agents.core.shared.joins import seal
from schemas.bounds import Bound
from schemas.deciding import Deciding
from schemas.limits import DAY_MS

__all__ = ["NEW_COMPANY_COST", "NewCompanies", "SourceBounds"]

NEW_COMPANY_COST = 60
"""Bytes of a chunk's state that a new company comes to, its name apart."""
_DAY = 8


class _Index:
    """The sources of one company that are alive, by key with their base; and what may expire first."""

    __slots__ = ("_heap", "bases", "members")

    def __init__(self, sources: Iterable[tuple[bytes, bytes, int]]) -> None:
        """``sources`` are (key, base, last time)."""
        self.members: dict[bytes, bytes] = {}
        self.bases: Counter[bytes] = Counter()
        self._heap: list[tuple[int, bytes]] = []
        for key, base, last_time in sources:
            self.add(key, base)
            if last_time != NO_TIME:
                self._heap.append((last_time, key))
        heapify(self._heap)

    def add(self, key: bytes, base: bytes) -> None:
        self.members[key] = base
        self.bases[base] += 1

    def timed(self, key: bytes, time: int) -> None:
        heappush(self._heap, (time, key))

    def expire(self, before: int, last_time_of: Callable[[bytes], int | None]) -> None:
        """Forget those whose last time is less than ``before``; each is looked at again only when it moved on."""
        heap = self._heap
        while heap and heap[0][0] < before:
            _, key = heappop(heap)
            base = self.members.get(key)
            if base is None:
                continue
            time = last_time_of(key)
            if time is not None and time >= before:
                heappush(heap, (time, key))
                continue
            del self.members[key]
            self.bases[base] -= 1
            if not self.bases[base]:
                del self.bases[base]


class SourceBounds:
    """The bounds on the sources and incarnations of each company of one partition."""

    __slots__ = ("_deciding", "_indexes", "_least", "_sources", "most_incarnations", "most_sources")

    def __init__(self, deciding: Deciding, sources: Sources) -> None:
        self._deciding = deciding
        self._sources = sources
        self._least = min(deciding.max_sources, deciding.max_incarnations)
        self._indexes: dict[bytes, _Index] = {}
        self.most_incarnations = self.most_sources = 0
        """The most that any company was seen to have; of few an upper bound."""

    def refuses(self, key: bytes, base: bytes, watermark: int) -> Bound | None:
        """Which bound keeps a source from being begun as of ``watermark`` after the present event; None: none."""
        company = company_of(key)
        count, index = self._sources.count(company), self._indexes.get(company)
        # One that is there is kept for a while: made anew at each turn about the bound it would cost too much.
        if count < (self._least if index is None else self._least // 2):
            self._indexes.pop(company, None)
            self.most_incarnations = max(self.most_incarnations, count + 1)
            self.most_sources = max(self.most_sources, count + 1)
            return None
        if index is None:
            index = self._indexes[company] = _Index(self._sources.all_of(company))
        index.expire(watermark - self._deciding.lateness, self._sources.last_time_of)
        if len(index.members) >= self._deciding.max_incarnations:
            return Bound.INCARNATIONS
        if base not in index.bases and len(index.bases) >= self._deciding.max_sources:
            return Bound.SOURCES
        self.most_incarnations = max(self.most_incarnations, len(index.members) + 1)
        self.most_sources = max(self.most_sources, len(index.bases) + (base not in index.bases))
        return None

    def begun(self, source: Source) -> None:
        """A source was begun that was not refused."""
        index = self._indexes.get(company_of(source.key))
        if index is not None:
            index.add(source.key, source.base)

    def timed(self, source: Source, time: int) -> None:
        """A source without a time got its first."""
        index = self._indexes.get(company_of(source.key))
        if index is not None:
            index.timed(source.key, time)


class NewCompanies:
    """The companies that a partition took in on the present UTC day of append time; keys ``n`` day company."""

    __slots__ = ("_day", "_most", "_names", "_touched")

    def __init__(self, most: int) -> None:
        self._most = most
        self._day = -1
        self._names: set[str] = set()
        self._touched: list[str] = []

    @property
    def count(self) -> int:
        """How many were taken in today."""
        return len(self._names)

    def begin_day(self, append_time: int, tombstones: list[bytes]) -> None:
        """The greatest append time so far, in milliseconds; the keys of a day that is over go to ``tombstones``."""
        day = append_time // DAY_MS
        if day > self._day:
            tombstones += [self._key(name) for name in self._names]
            self._day, self._names, self._touched = day, set(), []

    def has(self, company: str) -> bool:
        """Whether it was taken in today."""
        return company in self._names

    def admit(self, company: str) -> bool:
        """Take in a company that is unknown; False where the day's bound is reached."""
        if len(self._names) >= self._most:
            return False
        self._names.add(company)
        self._touched.append(company)
        return True

    # ---- state

    def _key(self, company: str) -> bytes:
        return b"n" + self._day.to_bytes(_DAY, "big") + company.encode()

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """The companies taken in since this was last asked."""
        for company in self._touched:
            yield self._key(company), seal(fence, None)
        self._touched = []

    def restore(self, keys: Iterable[bytes], append_time: int) -> list[bytes]:
        """Take up joined keys as of the greatest append time; returns those that are dead."""
        self._day = append_time // DAY_MS
        dead = []
        for key in keys:
            if self.is_dead(key):
                dead.append(key)
            else:
                self._names.add(key[1 + _DAY :].decode())
        return dead

    def is_dead(self, key: bytes) -> bool:
        """Whether the key is of a day that is over."""
        return int.from_bytes(key[1 : 1 + _DAY], "big") != self._day
