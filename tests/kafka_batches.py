"""Builds record batches that no client writes, byte by byte, and sends them by the plain Produce protocol.

Everything about a batch can be said wrong; its sum is right, since a broker takes none whose sum is wrong.
"""

import asyncio
import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Self

import cramjam
import google_crc32c
import lz4.frame
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError, for_code
from aiokafka.protocol.produce import ProduceRequest

from pipeline.kafka.codecs import zstd

__all__ = [
    "CODECS",
    "HEADER",
    "Batch",
    "Header",
    "Sent",
    "Wire",
    "Wrong",
    "compress",
    "record",
    "sealed",
    "varint",
    "xerial",
]

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_CRC_AT: Final = 17
_CRC_FROM: Final = 21
XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
Header = tuple[bytes, bytes | None]
_NAMES: Final = {87: "InvalidRecordError"}
"""Of errors that the client does not know."""
_TRIES: Final = 100


def varint(value: int, size: int = 0) -> bytes:
    """Zigzag and base 128, as Kafka writes numbers; in ``size`` bytes where that is more than it needs."""
    left = (value << 1) ^ (value >> 63)
    found = bytearray()
    while left >= 0x80 or len(found) + 1 < size:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def _sized(content: bytes | None, length: int | None) -> bytes:
    told = (-1 if content is None else len(content)) if length is None else length
    return varint(told) + (content or b"")


def record(
    delta: int,
    key: bytes | None = None,
    value: bytes | None = None,
    headers: Sequence[Header] = (),
    *,
    time: int = 0,
    attributes: int = 0,
    length: int | None = None,
    key_length: int | None = None,
    value_length: int | None = None,
    header_count: int | None = None,
    name_length: int | None = None,
    header_length: int | None = None,
    given_time: bytes | None = None,
    emitted_delta: bytes | None = None,
    tail: bytes = b"",
) -> bytes:
    """One record; ``tail`` lies behind its headers and within its length, every length can be said otherwise."""
    body = bytes([attributes]) + (given_time or varint(time)) + (emitted_delta or varint(delta))
    body += _sized(key, key_length) + _sized(value, value_length)
    body += varint(len(headers) if header_count is None else header_count)
    for name, content in headers:
        body += _sized(name, name_length) + _sized(content, header_length)
    body += tail
    return varint(len(body) if length is None else length) + body


def xerial(data: bytes, version: int = 1, compatible: int = 1, block: int = 32 << 10) -> bytes:
    """Snappy in the framing of its Java library."""
    found = [XERIAL_MAGIC, struct.pack(">ii", version, compatible)]
    for begin in range(0, len(data), block):
        part = bytes(cramjam.snappy.compress_raw(data[begin : begin + block]))
        found += [struct.pack(">i", len(part)), part]
    return b"".join(found)


def compress(codec: int, data: bytes) -> bytes:
    """As an honest client does; snappy without frames."""
    if codec == CODECS["gzip"]:
        return zlib.compress(data, 6, 31)
    if codec == CODECS["snappy"]:
        return bytes(cramjam.snappy.compress_raw(data))
    if codec == CODECS["lz4"]:
        return bytes(lz4.frame.compress(data, block_linked=False))
    return zstd.compress(data, 3) if codec == CODECS["zstd"] else data


def sealed(data: bytes | bytearray) -> bytes:
    """With the sum that its bytes have."""
    found = bytearray(data)
    struct.pack_into(">I", found, _CRC_AT, google_crc32c.value(bytes(found[_CRC_FROM:])))
    return bytes(found)


@dataclass(frozen=True)
class Batch:
    """A batch of ``records`` as bytes; what is None is said as it is."""

    records: Sequence[bytes] = ()
    codec: int = 0
    payload: bytes | None = None
    """In place of the records, as it lies on the disk: compressed already."""
    count: int | None = None
    last: int | None = None
    base: int = 0
    attributes: int = 0
    magic: int = 2
    first_time: int = 0
    greatest: int = 0
    producer: int = -1
    length: int | None = None

    def data(self) -> bytes:
        count = len(self.records) if self.count is None else self.count
        last = count - 1 if self.last is None else self.last
        payload = self.payload
        if payload is None:
            payload = compress(self.codec, b"".join(self.records))
        length = HEADER.size - 12 + len(payload) if self.length is None else self.length
        epoch = -1 if self.producer < 0 else 0
        head = HEADER.pack(
            self.base,
            length,
            -1,
            self.magic,
            0,
            self.attributes | self.codec,
            last,
            self.first_time,
            self.greatest,
            self.producer,
            epoch,
            epoch,
            count,
        )
        return sealed(head + payload)

    def at(self, time: int) -> Self:
        """All records at ``time``, as a topic keeps it that takes the times that it is told."""
        return replace(self, first_time=time, greatest=time)

    def appended(self, base: int, append_time: int) -> bytes:
        """As a broker stores it in a topic with LogAppendTime."""
        return replace(self, base=base, attributes=self.attributes | 8, greatest=append_time).data()


class Sent(NamedTuple):
    """What a broker answered: ``error`` is the name of its error, "" where it took the batch; ``offset`` its base."""

    error: str
    offset: int


@dataclass
class Wire:
    """Sends batches as they are to one topic, each partition's leader."""

    brokers: str
    topic: str
    client: AIOKafkaClient = field(init=False)

    async def __aenter__(self) -> Self:
        self.client = AIOKafkaClient(bootstrap_servers=self.brokers)
        await self.client.bootstrap()
        await self.client._wait_on_metadata(self.topic)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def send(self, partition: int, data: bytes) -> Sent:
        """Once its leader is ready, which it may not be behind the making of a topic."""
        for _ in range(_TRIES):
            sent = await self._send(partition, data)
            if sent.error != NotLeaderForPartitionError.__name__:
                break
            await asyncio.sleep(0.1)
        return sent

    async def _send(self, partition: int, data: bytes) -> Sent:
        node = next(
            node.nodeId
            for node in self.client.cluster.brokers()
            if partition in {tp.partition for tp in self._led(node.nodeId)}
        )
        request = ProduceRequest(None, -1, 20_000, [(self.topic, [(partition, data)])])
        answer: Any = await self.client.send(node, request)
        ((_, ((_, code, offset, *_),)),) = answer.topics
        return Sent("" if not code else _NAMES.get(code, for_code(code).__name__), offset)

    def _led(self, node: int) -> Any:
        return [tp for tp in self.client.cluster.partitions_for_broker(node) or () if tp.topic == self.topic]


class Wrong:
    """Changes batches at random, seeded; the sum is made right again, and the batch stays as long as it says."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def changed(self, data: bytes, edits: int, cut: int = 0) -> bytes:
        """With ``edits`` bytes or numbers other than they were, and up to ``cut`` bytes more or fewer at its end."""
        rng, found = self._rng, bytearray(data)
        for _ in range(edits):
            if len(found) > HEADER.size:
                self._edit(found)
        if rng.random() < 0.3:
            del found[max(len(found) - cut, HEADER.size) :]
        elif rng.random() < 0.2:
            found += rng.randbytes(cut)
        struct.pack_into(">i", found, 8, len(found) - 12)
        return sealed(found)

    def _edit(self, found: bytearray) -> None:
        rng, draw = self._rng, self._rng.random()
        at = rng.randrange(HEADER.size, len(found))
        if draw < 0.1:  # its last offset, or its number of records
            struct.pack_into(">i", found, rng.choice([23, 57]), rng.choice([-1, 0, 1, 2, 7, 2**31 - 1, -(2**31)]))
        elif draw < 0.15:  # its codec
            found[22] = found[22] & ~7 | rng.randrange(8)
        elif draw < 0.5:
            found[at] ^= 1 << rng.randrange(8)
        elif draw < 0.8:
            found[at] = rng.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFE, 0xFF])
        elif draw < 0.9:
            found[at : at + 1] = varint(rng.choice([-2, -1, 0, 5, 300, 2**31 - 1, -(2**31), 2**40]))
        else:
            del found[at : at + rng.randrange(1, 4)]
