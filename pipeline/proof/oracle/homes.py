"""Where a company is at home: Kafka's murmur2 as its Java clients compute it (design 1.1)."""

from functools import lru_cache

__all__ = ["home_of"]

_MASK = 0xFFFFFFFF
_FACTOR = 0x5BD1E995
_SEED = 0x9747B28C


@lru_cache(maxsize=100_000)
def home_of(key: bytes, partitions: int) -> int:
    """The partition of ``key`` among ``partitions``."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    length = len(data)
    whole = length - length % 4
    value = (_SEED ^ length) & _MASK
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _FACTOR & _MASK
        word ^= word >> 24
        value = (value * _FACTOR & _MASK) ^ (word * _FACTOR & _MASK)
    if whole < length:
        value = (value ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    value ^= value >> 13
    value = value * _FACTOR & _MASK
    return value ^ (value >> 15)
