"""What was seen of each source: sequences as intervals, ids as keyed hashes by UTC day (design 1.5).

==============================================  =======================================================
key                                             payload
==============================================  =======================================================
``s`` company ``|`` source                      [born, last time, intervals or nil]
``q`` company ``|`` source, born, low           a leaf of the interval set, where there are several
``i`` company ``|`` source, born, day, low      a leaf of the id hashes of a day, 8 bytes each
==============================================  =======================================================

``source`` is a pseudonym of 16 bytes, ``born`` the raw offset at which its present incarnation began: what a
forgotten incarnation left behind is dead by its key, whatever its records say. Numbers in keys are 8 bytes.

All sources are in memory, or, over a store, those lately seen: of such a source the intervals, and of its ids the
days and leaves that were asked for.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import msgspec

from agents.core.hash_leaves import HashLeaves
from agents.core.intervals import IntervalSet
from agents.core.joins import payload_of, seal
from agents.core.store import Store, walk
from schemas.limits import DAY_MS

__all__ = ["HOT_SOURCES", "NO_TIME", "Source", "Sources"]

NO_TIME = -1
"""A source of which no event could have moved the watermark: it is never forgotten."""
HOT_SOURCES = 20_000
"""Sources and leaves of ids held in memory over a store, at most twice as many and a chunk's more."""
_INLINE = 16
_WORD = 8
_PSEUDONYM = 16
_HEAD_COST = 120
_decode = msgspec.msgpack.Decoder().decode


class Source:
    """One incarnation of one source of one company."""

    __slots__ = ("born", "days", "dirty", "fetch_day", "key", "last_time", "sequences")

    def __init__(self, key: bytes, born: int, last_time: int = NO_TIME) -> None:
        self.key = key
        self.born = born
        self.last_time = last_time
        self.sequences = IntervalSet()
        self.days: dict[int, HashLeaves] = {}
        self.fetch_day: Callable[[Source, int], HashLeaves] | None = None
        self.dirty = False

    def knows_id(self, day: int, identity: int) -> bool:
        """Whether the id was seen on the day or on those beside it."""
        for near in (day - 1, day, day + 1):
            ids = self.days.get(near)
            if ids is None and self.fetch_day is not None:
                ids = self.days[near] = self.fetch_day(self, near)
            if ids is not None and ids.has(identity):
                return True
        return False

    def remember(self, day: int, identity: int) -> int:
        """Put an id that is asked for and not known in; by how many bytes at most the chunk's state grew."""
        return self.days.setdefault(day, HashLeaves()).add(identity)


class Sources:
    """The sources of one partition by ``company|pseudonym``."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.known: dict[bytes, Source] = {}
        self._older: dict[bytes, Source] = {}
        self._store: Store | None = None
        self._hot = 0
        self._touched: dict[bytes, Source] = {}
        self._sweep: Iterator[bytes | None] | None = None
        self._swept_day = -1

    def is_forgotten(self, source: Source, watermark: int) -> bool:
        """Whether the watermark has left the source behind."""
        return self._is_behind(source.last_time, watermark)

    def _is_behind(self, last_time: int, watermark: int) -> bool:
        return last_time != NO_TIME and last_time < watermark - self.lateness

    def find(self, key: bytes) -> Source | None:
        """The source, be it forgotten or not; None where there is none."""
        source = self.known.get(key)
        return source if source is not None or self._store is None else self._recall(self._store, key)

    def of(self, key: bytes, offset: int, watermark: int, graves: list[bytes]) -> Source:
        """The source as of ``watermark`` after the present event, begun anew at ``offset`` where it was forgotten."""
        source = self.find(key)
        if source is not None and not self.is_forgotten(source, watermark):
            return source
        if source is not None and self._store is None:  # in a store a sweep finds what it left behind
            graves.extend(_keys_of(source)[1:])
        source = self.known[key] = Source(key, offset)
        if self._store is not None:
            source.fetch_day = self._fetch_day
        return source

    def touch(self, source: Source) -> int:
        """Have the source written with the chunk; by how many bytes at most the chunk's state grew."""
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
            if self.known.get(source.key) is source:
                yield from _writes_of(source, fence)
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
            born, last_time, intervals = _decode(payload_of(value))
            source = Source(key[1:], born, last_time)
            if self.is_forgotten(source, watermark):
                dead.append(key)
                continue
            inline[key[1:]] = intervals is not None
            if intervals is not None:
                source.sequences = IntervalSet([(0, intervals)])
            self.known[source.key] = source
        leaves: dict[tuple[bytes, int], list[tuple[int, bytes]]] = {}
        for key, value in segments:
            name, born, day, low = _take_apart(key)
            owner = self.known.get(name)
            if owner is None or owner.born != born or (day >= 0 and self._day_is_over(day, watermark)):
                dead.append(key)
            elif day >= 0 or not inline[name]:
                leaves.setdefault((name, day), []).append((low, payload_of(value)))
        for (name, day), found in leaves.items():
            if day < 0:
                self.known[name].sequences = IntervalSet([(low, _decode(leaf)) for low, leaf in found])
            else:
                self.known[name].days[day] = HashLeaves([(low, _decode(leaf)) for low, leaf in found])
        return dead

    def _day_is_over(self, day: int, watermark: int) -> bool:
        """Whether every event that could repeat an id of the day is too late."""
        return (day + 2) * DAY_MS <= watermark - self.lateness

    # ---- over a store

    def attach(self, store: Store) -> None:
        """Read from ``store`` from now on."""
        self._store = store

    def settle(self) -> None:
        """All that changed is in the store: let go of what was not used lately."""
        if self._store is not None and self._hot > HOT_SOURCES:
            self._older, self.known, self._hot = self.known, {}, 0

    def _recall(self, store: Store, key: bytes) -> Source | None:
        """A source that is not in ``known`` will be from now on."""
        self._hot += 1
        source = self._older.pop(key, None)
        if source is not None:
            for ids in source.days.values():
                ids.release()
        elif (value := store.get(b"s" + key)) is not None:
            born, last_time, intervals = _decode(payload_of(value))
            source = Source(key, born, last_time)
            source.fetch_day = self._fetch_day
            if intervals is None:
                leaves = store.scan(_segments(b"q", key, born))
                source.sequences = IntervalSet([(_low(name), _decode(payload_of(leaf))) for name, leaf in leaves])
            else:
                source.sequences = IntervalSet([(0, intervals)])
        if source is not None:
            self.known[key] = source
        return source

    def _fetch_day(self, source: Source, day: int) -> HashLeaves:
        store, prefix = self._store, _segments(b"i", source.key, source.born) + day.to_bytes(_WORD, "big")
        if store is None:
            return HashLeaves()

        def fetch(low: int) -> bytes:
            self._hot += 1
            value = store.get(prefix + low.to_bytes(_WORD, "big"))
            return b"" if value is None else _decode(payload_of(value))

        return HashLeaves.stored([_low(name) for name, _ in store.scan(prefix)], fetch)

    def _head(self, key: bytes) -> tuple[int, int] | None:
        """When the source was born, and its last time; None where there is none."""
        source = self.known.get(key) or self._older.get(key)
        if source is not None:
            return source.born, source.last_time
        value = None if self._store is None else self._store.get(b"s" + key)
        return None if value is None else tuple(_decode(payload_of(value))[:2])

    # ---- expiry

    def is_reborn(self, key: bytes, watermark: int) -> bool:
        """Whether the key of a source that was found dead is alive again."""
        head = self._head(key[1:]) if key[:1] == b"s" else None
        return head is not None and not self._is_behind(head[1], watermark)

    def is_dead(self, key: bytes, value: bytes, watermark: int) -> bool:
        """Whether a key of any of the kinds above is dead; others are not."""
        if key[:1] == b"s":
            return self._is_behind(_decode(payload_of(value))[1], watermark)
        return key[:1] in {b"q", b"i"} and self._is_left_behind(*_take_apart(key)[:3], watermark)

    def _is_left_behind(self, name: bytes, born: int, day: int, watermark: int) -> bool:
        """Whether a segment is of a former incarnation, or of a day that is over."""
        head = self._head(name)
        if head is None or head[0] != born or self._is_behind(head[1], watermark):
            return True
        return day >= 0 and self._day_is_over(day, watermark)

    def drop_expired(self, watermark: int, limit: int) -> list[bytes]:
        """Forget dead sources and days, looking at no more than ``limit`` sources or keys; the keys that died."""
        today = (watermark - self.lateness) // DAY_MS
        if self._sweep is None and today > self._swept_day:
            self._swept_day = today
            self._sweep = iter(list(self.known)) if self._store is None else self._walk(self._store, watermark)
        if self._sweep is None:
            return []
        seen = list(islice(self._sweep, limit))
        if len(seen) < limit:
            self._sweep = None
        if self._store is not None:
            return [key for key in seen if key is not None]
        return [dead for key in seen if key is not None for dead in self._drop(key, watermark)]

    def _drop(self, key: bytes, watermark: int) -> list[bytes]:
        source = self.known.get(key)
        if source is None:
            return []
        if self.is_forgotten(source, watermark):
            return _keys_of(self.known.pop(key))
        over = [day for day in source.days if self._day_is_over(day, watermark)]
        return [_segment_key(b"i", source, low, day) for day in over for low in source.days.pop(day).lows()]

    def _walk(self, store: Store, watermark: int) -> Iterator[bytes | None]:
        """Every key of a source in ``store``, None for one that is alive; what is dead leaves memory too."""
        for key, value in walk(store, b"s"):
            name = key[1:]
            dead = self.is_dead(key, value, watermark) and not self.is_reborn(key, watermark)
            if dead:
                self.known.pop(name, None)
                self._older.pop(name, None)
            else:
                self._drop_days(name, watermark)
            yield key if dead else None
        group, dead = b"", False
        for key, _ in chain(walk(store, b"q"), walk(store, b"i")):
            if key[:-_WORD] != group:  # leaves of one day are alive or dead together
                group, dead = key[:-_WORD], self._is_left_behind(*_take_apart(key)[:3], watermark)
            yield key if dead else None

    def _drop_days(self, name: bytes, watermark: int) -> None:
        source = self.known.get(name) or self._older.get(name)
        if source is not None:
            source.days = {day: ids for day, ids in source.days.items() if not self._day_is_over(day, watermark)}


def _segments(kind: bytes, key: bytes, born: int) -> bytes:
    """How the keys of an incarnation's segments begin."""
    return kind + key + born.to_bytes(_WORD, "big")


def _segment_key(kind: bytes, source: Source, low: int, day: int = -1) -> bytes:
    middle = b"" if day < 0 else day.to_bytes(_WORD, "big")
    return _segments(kind, source.key, source.born) + middle + low.to_bytes(_WORD, "big")


def _low(key: bytes) -> int:
    return int.from_bytes(key[-_WORD:], "big")


def _take_apart(key: bytes) -> tuple[bytes, int, int, int]:
    """(name, born, day or -1, low) of a segment's key."""
    end = key.index(b"|") + 1 + _PSEUDONYM
    words = [int.from_bytes(key[at : at + _WORD], "big") for at in range(end, len(key), _WORD)]
    return key[1:end], words[0], words[1] if len(words) == 3 else -1, words[-1]


def _keys_of(source: Source) -> list[bytes]:
    keys = [b"s" + source.key]
    keys += [_segment_key(b"q", source, low) for low, _ in source.sequences.leaves()]
    return keys + [_segment_key(b"i", source, low, day) for day, ids in source.days.items() for low in ids.lows()]


def _writes_of(source: Source, fence: int) -> Iterator[tuple[bytes, bytes]]:
    """The head, with its intervals where they are few, and the leaves that changed."""
    single = source.sequences.single()
    inline = single if single is not None and len(single) <= _INLINE else None
    changed = source.sequences.written()
    yield b"s" + source.key, seal(fence, (source.born, source.last_time, inline))
    if inline is None:
        for low, leaf in changed:
            yield _segment_key(b"q", source, low), seal(fence, leaf)
    for day, ids in source.days.items():
        for low, packed in ids.written():
            yield _segment_key(b"i", source, low, day), seal(fence, packed)
