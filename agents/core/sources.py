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
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from agents.core.hash_leaves import HashLeaves
from agents.core.intervals import IntervalSet
from agents.core.joins import payload_of, seal
from schemas.limits import DAY_MS

__all__ = ["NO_TIME", "Source", "Sources"]

NO_TIME = -1
"""A source of which no event could have moved the watermark: it is never forgotten."""
_INLINE = 16
_WORD = 8
_PSEUDONYM = 16
_HEAD_COST = 120
_decode = msgspec.msgpack.Decoder().decode


class Source:
    """One incarnation of one source of one company."""

    __slots__ = ("born", "days", "dirty", "key", "last_time", "sequences")

    def __init__(self, key: bytes, born: int, last_time: int = NO_TIME) -> None:
        self.key = key
        self.born = born
        self.last_time = last_time
        self.sequences = IntervalSet()
        self.days: dict[int, HashLeaves] = {}
        self.dirty = False

    def knows_id(self, day: int, identity: int) -> bool:
        """Whether the id was seen on the day or on those beside it."""
        return any(near in self.days and self.days[near].has(identity) for near in (day - 1, day, day + 1))

    def remember(self, day: int, identity: int) -> int:
        """Put an id that is not known in; by how many bytes at most the chunk's state grew."""
        return self.days.setdefault(day, HashLeaves()).add(identity)


class Sources:
    """The sources of one partition by ``company|pseudonym``."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.known: dict[bytes, Source] = {}
        self._touched: dict[bytes, Source] = {}
        self._sweep: Iterator[bytes] | None = None
        self._swept_day = -1

    def is_forgotten(self, source: Source, watermark: int) -> bool:
        """Whether the watermark has left the source behind."""
        return source.last_time != NO_TIME and source.last_time < watermark - self.lateness

    def of(self, key: bytes, offset: int, watermark: int, graves: list[bytes]) -> Source:
        """The source as of ``watermark`` after the present event, begun anew at ``offset`` where it was forgotten."""
        source = self.known.get(key)
        if source is not None and not self.is_forgotten(source, watermark):
            return source
        if source is not None:
            graves.extend(_keys_of(source)[1:])
        source = self.known[key] = Source(key, offset)
        return source

    def touch(self, source: Source) -> int:
        """Have the source written with the chunk; by how many bytes at most the chunk's state grew."""
        if source.dirty:
            return 0
        source.dirty = True
        self._touched[source.key] = source
        return _HEAD_COST + len(source.key)

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

    def drop_expired(self, watermark: int, limit: int) -> list[bytes]:
        """Forget dead sources and days, looking at no more than ``limit`` sources; the keys that died."""
        today = (watermark - self.lateness) // DAY_MS
        if self._sweep is None and today > self._swept_day:
            self._swept_day = today
            self._sweep = iter(list(self.known))
        if self._sweep is None:
            return []
        seen = list(islice(self._sweep, limit))
        if len(seen) < limit:
            self._sweep = None
        dead: list[bytes] = []
        for key in seen:
            source = self.known.get(key)
            if source is None:
                continue
            if self.is_forgotten(source, watermark):
                dead += _keys_of(self.known.pop(key))
                continue
            for day in [day for day in source.days if self._day_is_over(day, watermark)]:
                leaves = source.days.pop(day)
                dead += [_segment_key(b"i", source, low, day) for low in leaves.lows()]
        return dead


def _segment_key(kind: bytes, source: Source, low: int, day: int = -1) -> bytes:
    middle = b"" if day < 0 else day.to_bytes(_WORD, "big")
    return kind + source.key + source.born.to_bytes(_WORD, "big") + middle + low.to_bytes(_WORD, "big")


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
