"""Records with append times of their own in the raw topic of the real broker."""

from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.broker.admin import admin
from pipeline.reading import StoredRecord
from schemas.topics import topic_config
from tests.broker.bench import Bench

__all__ = ["publish_with_times"]

_TAKES_OLD_TIMES = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**62)}


async def publish_with_times(bench: Bench, records: Iterable[StoredRecord]) -> None:
    """Make the raw topic, nothing of which is deleted for its age, and publish the records with their own times."""
    topic, config = bench.topic("raw"), topic_config("raw", 1) | {"retention.ms": "-1"}
    async with admin(bench.brokers) as client:
        partitions = bench.settings.partitions
        await client.create_topics([NewTopic(topic, partitions, 1, topic_configs=config | _TAKES_OLD_TIMES)])
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    await producer.start()
    try:
        for record in records:
            batch = producer.create_batch()  # unlike send, it takes a record without key and value
            headers = [*record.headers]
            batch.append(key=record.key, value=record.value, timestamp=record.append_time, headers=headers)
            await (await producer.send_batch(batch, topic, partition=record.partition))
    finally:
        await producer.stop()
    async with admin(bench.brokers) as client:
        for answer in await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)]):
            assert not answer.resources[0][0], answer.resources
