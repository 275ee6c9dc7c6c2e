"""Writing to Kafka in whole batches, acknowledged before anything else is done (design 2.1, rules 2, 4, 6, 7)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from aiokafka.errors import KafkaError

from pipeline.kafka.clients import producer, started
from pipeline.kafka.connection import Where

__all__ = [
    "BATCH_BYTES",
    "OUTPUT_BATCH_BYTES",
    "Appender",
    "ForeignWriteError",
    "Header",
    "ProduceError",
    "Rows",
    "SoleLog",
    "record_weight",
]

Header = tuple[str, bytes | None]
Rows = Iterable[tuple[bytes | None, bytes | None, Sequence[Header]]]
"""(key, value, headers) of each record."""
BATCH_BYTES = 15 << 20
"""Of one batch, uncompressed; below ``max.message.bytes`` of the topics that take state and chunks."""
OUTPUT_BATCH_BYTES = 1 << 20
"""The same where the topic takes less: whoever reads it need not take large ones."""
_RECORD_BYTES, _HEADER_BYTES = 64, 10
"""Around the key, value and headers of a record, and around the name and value of a header, with much to spare."""
_ACK_SECONDS = 30.0


def record_weight(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """Bytes of a record in a batch at most, uncompressed."""
    size = _RECORD_BYTES + len(key or b"") + len(value or b"")
    return size + sum(_HEADER_BYTES + len(name.encode()) + len(content or b"") for name, content in headers)


class ProduceError(Exception):
    """A write failed or was never answered; whether it is on the log is unknown, so its owner must end."""


class ForeignWriteError(Exception):
    """Somebody else wrote where only the owner does; it must end, and whoever comes next mends."""


class Appender:
    """An idempotent producer that waits for every acknowledgement; one a worker.

    ``may_write`` is asked before each batch: False where the lease has run out.
    """

    def __init__(self, where: Where, may_write: Callable[[], bool]) -> None:
        self._may_write = may_write
        self._where = where
        self._ending = AsyncExitStack()
        self._producer = producer(
            where,
            compression_type="zstd",  # of the client's codecs at their levels the cheapest and the smallest (ADR 0017)
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES + (1 << 20),
            linger_ms=0,
            request_timeout_ms=20_000,
        )

    async def __aenter__(self) -> "Appender":
        await self._ending.enter_async_context(started(self._producer, self._where))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()  # nothing is under way, since every append is awaited

    async def append(
        self, topic: str, partition: int, rows: Rows, batch_bytes: int = BATCH_BYTES, *, whole: bool = False
    ) -> list[int]:
        """Append ``rows`` in as few batches as hold them; returns the offset of each batch's first record and counts.

        The answer alternates: base offset, number of records, base offset, and so on. Raises ProduceError; with
        ``whole`` before anything is sent where the rows need more than one batch.
        """
        batches = self._batches(topic, rows, batch_bytes)
        if whole and len(batches) > 1:
            raise ProduceError(f"what belongs together for {topic} does not fit one record batch")
        answer: list[int] = []
        for batch, count in batches:
            answer += [await self._send(batch, topic, partition), count]
        return answer

    def _batches(self, topic: str, rows: Rows, batch_bytes: int) -> list[tuple[object, int]]:
        found: list[tuple[object, int]] = []
        batch, size, count = self._producer.create_batch(), 0, 0
        for key, value, headers in rows:
            weight = record_weight(key, value, headers)
            given = {"key": key, "value": value, "timestamp": None, "headers": list(headers)}
            if count and (size + weight > batch_bytes or batch.append(**given) is None):
                found.append((batch, count))
                batch, size, count = self._producer.create_batch(), 0, 0
            if not count and batch.append(**given) is None:
                raise ProduceError(f"a record for {topic} is larger than a batch")
            size += weight
            count += 1
        if count:
            found.append((batch, count))
        return found

    async def _send(self, batch: object, topic: str, partition: int) -> int:
        if not self._may_write():
            raise ProduceError("the lease has run out")
        batch.close()  # type: ignore[attr-defined]
        try:
            sent = await self._producer.send_batch(batch, topic, partition=partition)
            answered = await asyncio.wait_for(sent, _ACK_SECONDS)
        except (KafkaError, TimeoutError) as error:
            raise ProduceError(f"{topic} partition {partition}: {type(error).__name__}") from None
        return int(answered.offset)


class SoleLog:
    """A partition whose sole writer we are: its acknowledged offsets are consecutive, or somebody else wrote.

    ``end`` is the offset after the last record that we know of.
    """

    __slots__ = ("_appender", "end", "partition", "topic")

    def __init__(self, appender: Appender, topic: str, partition: int, end: int) -> None:
        self._appender = appender
        self.topic = topic
        self.partition = partition
        self.end = end

    async def append(self, rows: Rows, *, whole: bool = False) -> None:
        """Append and check; with ``whole`` the rows must fit one batch. Raises ProduceError, ForeignWriteError."""
        answer = await self._appender.append(self.topic, self.partition, rows, whole=whole)
        for base, count in zip(answer[::2], answer[1::2], strict=True):
            self.found(base)
            self.end = base + count

    def found(self, end: int) -> None:
        """Compare an end or base offset that the broker told with our own; raises ForeignWriteError."""
        if end != self.end:
            raise ForeignWriteError(
                f"{self.topic} partition {self.partition}: another writer was there between {self.end} and {end}"
            )
