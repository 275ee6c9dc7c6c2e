"""A record batch as a broker holds it, read no further than its header."""

from struct import Struct
from typing import Final, NamedTuple, Self

import google_crc32c
from aiokafka.errors import CorruptRecordException

from pipeline.kafka.codecs import UnreadableError, decompressed

__all__ = ["HEADER_BYTES", "LENGTH", "Batch", "Block", "Head"]

LENGTH: Final = Struct(">qi")
"""How every batch begins: its base offset, and how many bytes follow."""

# Base offset, length, leader epoch, format, sum, attributes, last offset delta, first time, greatest time, producer and
# its epoch, base sequence, count; see "Record Batch" in Kafka's description of its message format.
_HEADER: Final = Struct(">qiibIhiqqqhii")
HEADER_BYTES: Final = _HEADER.size
_SUMMED_FROM: Final = 21
_RECORDS_FROM: Final = HEADER_BYTES - _SUMMED_FROM
_FORMAT: Final = 2
_CODEC, _STAMPED, _TRANSACTION, _CONTROL = 0x07, 0x08, 0x10, 0x20


class Block(NamedTuple):
    """Records of one batch, uncompressed: ``records`` of them between ``begin`` and ``end`` of ``data``.

    Their offsets are ``base`` to ``last``, those below ``least`` are not wanted. Times are in milliseconds;
    ``is_stamped``: all have the append time. A negative number: they cannot be read.
    """

    data: bytes
    begin: int
    end: int
    records: int
    base: int
    last: int
    least: int
    first_time: int
    append_time: int
    is_stamped: bool


class Head(NamedTuple):
    """What a batch's header tells."""

    base: int
    form: int
    crc: int
    attributes: int
    last_delta: int
    first_time: int
    greatest_time: int
    producer: int
    records: int

    @classmethod
    def of(cls, data: memoryview) -> Self:
        """Of the bytes of a whole batch."""
        base, _, _, form, crc, attributes, last, first, greatest, producer, _, _, records = _HEADER.unpack_from(data)
        return cls(base, form, crc, attributes, last, first, greatest, producer, records)

    @property
    def is_known(self) -> bool:
        """Whether the rest of the header is where it was looked for."""
        return self.form == _FORMAT

    @property
    def last(self) -> int:
        """The last offset that it says it has; the first where the rest of the header is not known."""
        return self.base + self.last_delta if self.is_known else self.base

    @property
    def is_control(self) -> bool:
        """Whether it holds a marker, which only brokers write."""
        return self.is_known and bool(self.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        """Whether it is part of a transaction, a marker's too."""
        return self.is_known and bool(self.attributes & _TRANSACTION)

    def check_sum(self, data: memoryview) -> bytes:
        """The bytes that the sum is of; raises CorruptRecordException where it is another: no writer's doing."""
        summed = bytes(data[_SUMMED_FROM:])
        if self.is_known and google_crc32c.value(summed) != self.crc:
            raise CorruptRecordException("a batch was damaged on the disk or on its way")
        return summed


class Batch(NamedTuple):
    """A batch whose records are read when they are asked for: ``stored`` holds them as they lie on the broker.

    Its last offset is never one that is not in the log; where the header itself is wrong, nothing of it can be read.
    From offset ``since`` up to it there was nothing to hand over, so whoever has come there misses nothing before it.
    """

    codec: int
    stored: Block
    since: int

    @classmethod
    def of(cls, head: Head, summed: bytes, least: int, end: int, since: int) -> Self:
        """A batch in a log that ends before ``end``, of which offsets from ``least`` on are wanted."""
        last, records, append_time = head.last, head.records, head.greatest_time
        if not head.is_known:
            records, append_time = -1, 0
        base = min(max(head.base, 0), max(end - 1, least))
        if not (base == head.base <= last < max(end, least)):
            last, records = max(min(last, end - 1), base, least), -1
        is_stamped = bool(head.attributes & _STAMPED)
        where = (_RECORDS_FROM, len(summed), records, base, last, least)
        return cls(head.attributes & _CODEC, Block(summed, *where, head.first_time, append_time, is_stamped), since)

    def block(self) -> Block:
        """Its records, decompressed now."""
        stored = self.stored
        if not self.codec or stored.records < 0:
            return stored
        try:
            data = decompressed(self.codec, stored.data[stored.begin :])
        except UnreadableError:
            return stored._replace(records=-1)
        return stored._replace(data=data, begin=0, end=len(data))
