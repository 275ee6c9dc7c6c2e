"""The records of a block in Python: the twin of ``agents/core/native/stored.h``, to the same answer."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from pipeline.kafka.batch import Block
from pipeline.kafka.codecs import UnreadableError

__all__ = ["MOST_HEADERS", "Headers", "Make", "unreadable", "walk"]

Headers = tuple[tuple[str, bytes | None], ...]
Made = TypeVar("Made")
Make = Callable[[int, int, bytes | None, bytes | None, Headers, int | None], Made]
"""Makes a record of offset, append time (ms), key, value, headers, and up to where nothing could be read."""
MOST_HEADERS: Final = 1 << 18
"""Of a batch; each becomes objects of many times its bytes."""
_SHORTEST: Final = 4
"""Bytes of a record at least: its length, attributes, time and offset."""
_INT64: Final = 1 << 63


def walk(block: Block, make: Make[Made]) -> Iterator[Made]:
    """The wanted records of a block; raises UnreadableError, at its end at the latest, where none is to be judged.

    A record of which only the inside is wrong is one without content, ``unreadable_to`` its own offset.
    """
    data, at, least, budget = block.data, block.begin, block.base, _Budget()
    if not 0 <= block.records <= (block.end - at) // _SHORTEST:
        raise UnreadableError
    for _ in range(block.records):
        length, at = _varint(data, at, block.end)
        if not 1 <= length <= block.end - at:
            raise UnreadableError
        end = at + length
        time, inside = _varint(data, at + 1, end, 64)  # behind the attributes, which say nothing
        delta, inside = _varint(data, inside, end)
        offset, at = block.base + delta, end
        if not least <= offset <= block.last:
            raise UnreadableError
        least = offset + 1
        try:
            content = _content(data, inside, end, budget)
            append_time = block.append_time if block.is_stamped else block.first_time + time
            if not -_INT64 <= append_time < _INT64:
                raise UnreadableError
            found = make(offset, append_time, *content, None)
        except UnreadableError:
            found = make(offset, block.append_time, None, None, (), offset)
        if budget.left < 0:
            raise UnreadableError
        if offset >= block.least:
            yield found
    if at != block.end:
        raise UnreadableError


def unreadable(block: Block, make: Make[Made]) -> Made:
    """What stands for a block that cannot be read."""
    return make(max(block.base, block.least), block.append_time, None, None, (), block.last)


class _Budget:
    """How many headers a batch may have still."""

    def __init__(self) -> None:
        self.left = MOST_HEADERS


def _content(data: bytes, at: int, end: int, budget: _Budget) -> tuple[bytes | None, bytes | None, Headers]:
    """Key, value and headers, which are to fill the record."""
    key, at = _sized(data, at, end)
    value, at = _sized(data, at, end)
    number, at = _varint(data, at, end)
    if not 0 <= number <= end - at:
        raise UnreadableError
    budget.left -= number
    headers = []
    for _ in range(number if budget.left >= 0 else 0):
        name, at = _sized(data, at, end)
        content, at = _sized(data, at, end)
        if name is None:
            raise UnreadableError
        try:
            headers.append((name.decode(), content))
        except UnicodeDecodeError:
            raise UnreadableError from None
    if at != end:
        raise UnreadableError
    return key, value, tuple(headers)


def _sized(data: bytes, at: int, end: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at, end)
    if not -1 <= length <= end - at:
        raise UnreadableError
    return (None, at) if length < 0 else (data[at : at + length], at + length)


def _varint(data: bytes, at: int, end: int, bits: int = 32) -> tuple[int, int]:
    """A number of at most so many bits, in as many bytes as that takes at most."""
    value = shift = 0
    while at < end and shift < bits:
        here = data[at]
        value |= (here & 0x7F) << shift
        at += 1
        shift += 7
        if value >> bits:
            raise UnreadableError
        if here < 0x80:
            return (value >> 1) ^ -(value & 1), at
    raise UnreadableError
