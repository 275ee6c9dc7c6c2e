"""Reading whole topics from a broker: for the oracle, ``verify``, ``watch`` and ``rejected``; never a worker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.kafka.consumer import batch_consumer
from pipeline.kafka.parts import parts
from pipeline.kafka.trusted import admitted
from pipeline.stored import StoredRecord

__all__ = ["Progress", "StoredRecord", "ends", "follow", "read_topic"]

Progress = Callable[[int, int], None]
"""Called with (records done, records in all)."""


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - there is no public call that waits for it
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def ends(brokers: str, topic: str) -> Mapping[int, tuple[int, int]]:
    """First and end offset of each partition of ``topic``."""
    consumer = batch_consumer(brokers)
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
    """Parts of the records of ``topic`` from its start; with ``whole`` False it goes on past the present end.

    Within a partition records come in order of offset. An empty list is a turn of the wait for more. Raises Refused for
    bytes that are no records in a topic that trusted services alone write.
    """
    consumer = batch_consumer(brokers)
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
            for place, batches in (await consumer.getmany(timeout_ms=500)).items():
                for part in parts(batches, partial(StoredRecord, place.partition)):
                    batch = [*admitted(topic, place.partition, part)]
                    done += len(batch)
                    if progress is not None:
                        progress(min(done, total), total)
                    yield batch
                    await asyncio.sleep(0)
            yield []
            if whole:
                for partition in list(open_partitions):
                    if await consumer.position(partition) >= stops[partition]:
                        open_partitions.discard(partition)
    finally:
        await consumer.stop()


async def read_topic(brokers: str, topic: str, progress: Progress | None = None) -> list[StoredRecord]:
    """Every record of ``topic`` up to its present end, sorted by partition and offset."""
    records: list[StoredRecord] = []
    async for batch in follow(brokers, topic, whole=True, progress=progress):
        records.extend(batch)
    records.sort(key=lambda record: (record.partition, record.offset))
    return records
