"""Home partitions: murmur2 as Kafka's Java clients choose them, and where a misplaced record belongs."""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from agents.core.shared.records import Decoded, Event

__all__ = ["Placement", "home", "murmur2", "placement"]

_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_SEED: Final = 0x9747B28C
_CACHED_BYTES: Final = 128
"""A longer key is no company's, so nobody can fill the memory with it."""


class Placement(NamedTuple):
    """Where a record belongs.

    ``move_to`` is the home partition of a misplaced record, None for one that is judged where it lies;
    ``key`` is the key to move it with, or the one its events are compared with (None: no key).
    """

    move_to: int | None
    key: bytes | None


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of ``data``, as a signed integer like Java's ``Utils.murmur2``."""
    length = len(data)
    h = _SEED ^ (length & _MASK)
    whole = length & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        k = word * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ k >> 24) * _M & _MASK)
    if length != whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    h ^= h >> 15
    return h - (1 << 32) if h >> 31 else h


def _home(key: bytes, partitions: int) -> int:
    return (murmur2(key) & 0x7FFFFFFF) % partitions


_cached_home = lru_cache(maxsize=1 << 16)(_home)


def home(key: bytes, partitions: int) -> int:
    """The home partition of ``key``, 0 to ``partitions`` - 1."""
    return (_cached_home if len(key) <= _CACHED_BYTES else _home)(key, partitions)


def placement(decoded: Decoded, key: bytes | None, partition: int, partitions: int) -> Placement:
    """Where the record of ``decoded`` belongs that lies in ``partition`` under ``key`` (an empty key is none)."""
    first = next((item for item in decoded.items if type(item) is Event), None)
    if first is None:
        return Placement(None, key or None)
    key = key or first.company.encode()
    target = home(key, partitions)
    return Placement(None if target == partition else target, key)
