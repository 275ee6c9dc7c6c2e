"""The one client that reads our topics, and how commands and recoveries read records with it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka.fetching import BatchFetcher
from pipeline.kafka.parts import parts
from pipeline.kafka.plain import Make
from pipeline.kafka.trusted import admitted
from pipeline.substituting import looking_up

__all__ = ["BatchConsumer", "batch_consumer", "fetched"]

Made = TypeVar("Made", bound=Any)


class BatchConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """The client's consumer, which gives :class:`pipeline.kafka.batch.Batch` in place of records."""

    start = looking_up(AIOKafkaConsumer.start, {"Fetcher": BatchFetcher})


def batch_consumer(brokers: str, *, partition_bytes: int = 4 << 20, wait_ms: int = 500) -> BatchConsumer:
    """A consumer outside any group, to be started and assigned partitions; what was not committed is left out.

    A fetch brings up to ``partition_bytes`` of a partition, one batch at least, and waits up to ``wait_ms`` for it.
    """
    return BatchConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=partition_bytes,
        fetch_max_wait_ms=wait_ms,
        request_timeout_ms=20_000,
    )


async def fetched(
    consumer: BatchConsumer, make: Make[Made], *, timeout_ms: int = 1000
) -> Mapping[TopicPartition, Iterator[Sequence[Made]]]:
    """What a fetch brought of the assigned partitions, in parts that are read when asked for, made by ``make``.

    Nothing where none came in time. Raises KafkaError; reading a part may raise Refused, see :func:`admitted`.
    """
    brought = await consumer.getmany(timeout_ms=timeout_ms)
    return {place: _admitted(place, parts(batches, make)) for place, batches in brought.items()}


def _admitted(place: TopicPartition, found: Iterator[Sequence[Made]]) -> Iterator[Sequence[Made]]:
    for part in found:
        yield admitted(place.topic, place.partition, part)
