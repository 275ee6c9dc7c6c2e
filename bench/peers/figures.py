"""A peer's sink, read as it grows: the last value of each figure, as a reader of committed records sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers.expected import Figures

__all__ = ["Difference", "Reader", "Sink", "TopicSink", "create_sink", "differences", "number_of", "watched"]

Difference = tuple[str, int | None, int | None]
"""Id, expected value, found value; None where there is none."""
Reader = Callable[[bytes], int | None]
"""The value of a figure from that of its record; None where the record is of no figure that is compared."""
NOT_A_NUMBER = -1
"""Stands for a sink value that is no JSON integer: no figure is expected to be negative."""
_POLL_MS = 100


class Sink(Protocol):
    """What the runner asks of a sink."""

    figures: dict[str, int]

    async def poll(self) -> bool:
        """Read what has come, waiting a moment where nothing has; whether anything had."""


def differences(expected: Figures, found: Mapping[str, int]) -> list[Difference]:
    """Every figure that is missing, wrong, or not expected at all, sorted by id."""
    wrong = {figure for figure in expected.keys() | found.keys() if expected.get(figure) != found.get(figure)}
    return [(figure, expected.get(figure), found.get(figure)) for figure in sorted(wrong)]


async def create_sink(brokers: str, topic: str, partitions: int) -> None:
    """Make an empty topic for the figures of one run."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


class TopicSink:
    """A sink topic on a broker."""

    def __init__(self, consumer: AIOKafkaConsumer, read: Reader) -> None:
        self.figures: dict[str, int] = {}
        self.latest: dict[str, int] = {}
        """What the last poll brought."""
        self._consumer = consumer
        self._read = read

    async def poll(self) -> bool:
        """Read what has come; whether anything had."""
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=50_000)
        self.latest = {}
        for records in fetched.values():
            for record in records:
                number = self._read(record.value or b"")
                if number is not None:
                    self.latest[(record.key or b"").decode(errors="replace")] = number
        self.figures |= self.latest
        return bool(fetched)


def number_of(value: bytes) -> int:
    """The number that is the value of a peer's record."""
    try:
        number = orjson.loads(value)
    except ValueError:
        return NOT_A_NUMBER
    return number if type(number) is int else NOT_A_NUMBER


@asynccontextmanager
async def watched(brokers: str, topic: str, partitions: int, read: Reader = number_of) -> AsyncIterator[TopicSink]:
    """The sink ``topic`` from its start, read in no consumer group, committed records only."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        all_partitions = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(all_partitions)
        await consumer.seek_to_beginning(*all_partitions)
        yield TopicSink(consumer, read)
    finally:
        await asyncio.shield(consumer.stop())
