"""Reading whole topics from a broker: for the oracle, ``verify``, ``watch`` and ``rejected``; never a worker."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

__all__ = ["Progress", "StoredRecord", "ends", "follow", "read_topic", "stored"]

Progress = Callable[[int, int], None]
"""Called with (records done, records in all)."""


class StoredRecord(NamedTuple):
    """A record as a broker holds it; ``append_time`` in milliseconds since 1970 UTC.

    Where ``unreadable_to`` is set, the bytes from ``offset`` up to that offset hold no records as Kafka's format says.
    """

    partition: int
    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    unreadable_to: int | None = None


def _consumer(brokers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
        request_timeout_ms=20_000,
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - there is no public call that waits for it
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def ends(brokers: str, topic: str) -> Mapping[int, tuple[int, int]]:
    """First and end offset of each partition of ``topic``."""
    consumer = _consumer(brokers)
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topic)
        first = await consumer.beginning_offsets(partitions)
        last = await consumer.end_offsets(partitions)
        return {partition.partition: (first[partition], last[partition]) for partition in partitions}
    finally:
        await consumer.stop()


async def follow(
    brokers: str, topic: str, *, whole: bool, progress: Progress | None = None
) -> AsyncIterator[list[StoredRecord]]:
    """Batches of the records of ``topic`` from its start; with ``whole`` False it goes on past the present end.

    Within a partition records come in order of offset. An empty list is a turn of the wait for more.
    """
    consumer = _consumer(brokers)
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topic)
        consumer.assign(partitions)
        starts = await consumer.beginning_offsets(partitions)
        stops = await consumer.end_offsets(partitions)
        for partition in partitions:
            consumer.seek(partition, starts[partition])
        total = sum(stops[partition] - starts[partition] for partition in partitions)
        open_partitions = {partition for partition in partitions if stops[partition] > starts[partition]}
        done = 0
        while open_partitions or not whole:
            fetched = await consumer.getmany(timeout_ms=500, max_records=20_000)
            batch = [stored(record) for records in fetched.values() for record in records]
            done += len(batch)
            if progress is not None:
                progress(min(done, total), total)
            yield batch
            if whole:
                for partition in list(open_partitions):
                    if await consumer.position(partition) >= stops[partition]:
                        open_partitions.discard(partition)
    finally:
        await consumer.stop()


def stored(record: object) -> StoredRecord:
    """A record that a consumer fetched."""
    return StoredRecord(
        record.partition,  # type: ignore[attr-defined]
        record.offset,  # type: ignore[attr-defined]
        record.timestamp,  # type: ignore[attr-defined]
        record.key,  # type: ignore[attr-defined]
        record.value,  # type: ignore[attr-defined]
        tuple(record.headers),  # type: ignore[attr-defined]
    )


async def read_topic(brokers: str, topic: str, progress: Progress | None = None) -> list[StoredRecord]:
    """Every record of ``topic`` up to its present end, sorted by partition and offset."""
    records: list[StoredRecord] = []
    async for batch in follow(brokers, topic, whole=True, progress=progress):
        records.extend(batch)
    records.sort(key=lambda record: (record.partition, record.offset))
    return records
