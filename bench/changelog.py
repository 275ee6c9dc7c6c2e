"""What a run left on its changelogs: bytes of keys and values, before compression and before any compaction."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.broker.admin import admin

__all__ = ["payload_bytes"]

_IDLE_MS = 500


async def payload_bytes(brokers: str, of: str) -> int:
    """Of all records of the topics whose names hold ``of`` and the word changelog; 0 where there is none."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, group_id=None, enable_auto_commit=False, max_partition_fetch_bytes=16 << 20
    )
    async with admin(brokers) as client:
        places = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await client.describe_topics()
            if of in topic["topic"] and "changelog" in topic["topic"]
            for partition in topic["partitions"]
        ]
    if not places:
        return 0
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        total = 0
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=_IDLE_MS, max_records=50_000)).values():
                total += sum(len(record.key or b"") + len(record.value or b"") for record in records)
        return total
    finally:
        await consumer.stop()
