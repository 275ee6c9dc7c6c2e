"""What was seen of one incarnation of a source, and how the state writes it (design 1.5).

==============================================  =======================================================
key                                             payload
==============================================  =======================================================
``s`` company ``|`` source                      [first offset, last time, intervals or nil, base or nil]
``q`` company ``|`` source, first offset, low   a leaf of the interval set, where there are several
``i`` company ``|`` source, first offset, day, low  a leaf of the id hashes of a day, 8 bytes each
==============================================  =======================================================

``source`` is the pseudonym, 16 bytes, of the whole source, ``base`` that of the part before ``#`` where there is one.
The first offset is that of raw at which it was first seen since it was last forgotten: what was left behind before
that is dead by its key, whatever its records say. Numbers in keys are 8 bytes.
"""

from collections.abc import Callable, Iterator

from agents.core.accept.hash_leaves import HashLeaves
from agents.core.accept.intervals import IntervalSet
from agents.core.shared.joins import seal, value_reader

__all__ = [
    "NO_TIME",
    "WORD",
    "Source",
    "company_of",
    "keys_of",
    "low_of",
    "read_hashes",
    "read_head",
    "read_intervals",
    "segment_key",
    "segments",
    "split_segment_key",
    "writes_of",
]

NO_TIME = -1
"""A source of which no event could have moved the watermark: it is never forgotten."""
WORD = 8
_INLINE = 16
_PSEUDONYM = 16

Head = tuple[int, int, list[int] | None, bytes | None]
"""(first_offset, last time, intervals or None, base or None)."""
read_head = value_reader("a source", tuple[int, int, list[int] | None, bytes | None])
read_intervals = value_reader("the intervals of a source", list[int])
read_hashes = value_reader("the ids of a source", bytes)


class Source:
    """One incarnation of one source of one company; ``base`` is the pseudonym of the part before ``#``."""

    __slots__ = ("base", "days", "dirty", "fetch_day", "first_offset", "key", "last_time", "sequences")

    def __init__(self, key: bytes, first_offset: int, base: bytes, last_time: int = NO_TIME) -> None:
        self.key = key
        self.first_offset = first_offset
        self.base = base
        self.last_time = last_time
        self.sequences = IntervalSet()
        self.days: dict[int, HashLeaves] = {}
        self.fetch_day: Callable[[Source, int], HashLeaves] | None = None
        self.dirty = False

    @classmethod
    def restored(cls, key: bytes, value: bytes) -> "Source":
        """From a value of the state; intervals in leaves of their own are for the caller."""
        first_offset, last_time, intervals, base = read_head(value)
        source = cls(key, first_offset, key[-_PSEUDONYM:] if base is None else base, last_time)
        if intervals is not None:
            source.sequences = IntervalSet([(0, intervals)])
        return source

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


def company_of(key: bytes) -> bytes:
    """The company in ``company|pseudonym``."""
    return key[: -_PSEUDONYM - 1]


def segments(kind: bytes, key: bytes, first_offset: int) -> bytes:
    """How the keys of an incarnation's segments begin."""
    return kind + key + first_offset.to_bytes(WORD, "big")


def segment_key(kind: bytes, source: Source, low: int, day: int = -1) -> bytes:
    """The key of a leaf."""
    middle = b"" if day < 0 else day.to_bytes(WORD, "big")
    return segments(kind, source.key, source.first_offset) + middle + low.to_bytes(WORD, "big")


def low_of(key: bytes) -> int:
    """The lowest number of the leaf with this key."""
    return int.from_bytes(key[-WORD:], "big")


def split_segment_key(key: bytes) -> tuple[bytes, int, int, int]:
    """(name, first_offset, day or -1, low) of a segment's key."""
    end = key.index(b"|") + 1 + _PSEUDONYM
    words = [int.from_bytes(key[at : at + WORD], "big") for at in range(end, len(key), WORD)]
    return key[1:end], words[0], words[1] if len(words) == 3 else -1, words[-1]


def keys_of(source: Source) -> list[bytes]:
    """Every key that the state may hold of it, the head first."""
    keys = [b"s" + source.key]
    keys += [segment_key(b"q", source, low) for low, _ in source.sequences.leaves()]
    return keys + [segment_key(b"i", source, low, day) for day, ids in source.days.items() for low in ids.lows()]


def writes_of(source: Source, fence: int) -> Iterator[tuple[bytes, bytes]]:
    """The head, with its intervals where they are few, and the leaves that changed."""
    single = source.sequences.single()
    inline = single if single is not None and len(single) <= _INLINE else None
    changed = source.sequences.written()
    base = None if source.key.endswith(source.base) else source.base
    yield b"s" + source.key, seal(fence, (source.first_offset, source.last_time, inline, base))
    if inline is None:
        for low, leaf in changed:
            yield segment_key(b"q", source, low), seal(fence, leaf)
    for day, ids in source.days.items():
        for low, packed in ids.written():
            yield segment_key(b"i", source, low, day), seal(fence, packed)
