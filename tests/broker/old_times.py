"""Records with append times of their own in the raw topic of the real broker."""

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.broker.admin import admin
from pipeline.kafka.reader import StoredRecord
from schemas.limits import HOUR_MS
from schemas.topics import topic_config
from tests.broker.bench import PARTITIONS, Bench
from tests.broker.load import make_load

__all__ = ["old_load", "publish_with_times", "taking_old_times"]

_TAKES_OLD_TIMES = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**62)}


def old_load(seed: int, count: int, hours: int, hours_ago: int) -> list[StoredRecord]:
    """``count`` records with append times over ``hours`` up to ``hours_ago``, and a tick that closes the last hour."""
    end = int(time.time() * 1000) // HOUR_MS * HOUR_MS - hours_ago * HOUR_MS
    begin = end - hours * HOUR_MS
    made = make_load(seed, count, PARTITIONS, begin / 1000)
    step = (end - begin) // len(made)
    found = [
        StoredRecord(partition, 0, begin + number * step, key, value, ())
        for number, (partition, key, value) in enumerate(made)
    ]
    ticks = (("footfall-tick", b"due"),)  # to be signed, see publish_with_times
    return found + [StoredRecord(number, 0, end, None, None, ticks) for number in range(PARTITIONS)]


@asynccontextmanager
async def taking_old_times(bench: Bench, replication: int = 1) -> AsyncIterator[None]:
    """Make the raw topic, nothing of which is deleted for its age; within, it takes the times that it is told."""
    topic, config = bench.topic("raw"), topic_config("raw", replication) | {"retention.ms": "-1"}
    async with admin(bench.brokers) as client:
        partitions = bench.settings.partitions
        await client.create_topics([NewTopic(topic, partitions, replication, topic_configs=config | _TAKES_OLD_TIMES)])
    yield
    async with admin(bench.brokers) as client:
        for answer in await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)]):
            assert not answer.resources[0][0], answer.resources


async def publish_with_times(bench: Bench, records: Iterable[StoredRecord], replication: int = 1) -> None:
    """Make the raw topic and publish the records with their own times."""
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    async with taking_old_times(bench, replication):
        await producer.start()
        try:
            for record in records:
                batch = producer.create_batch()  # unlike send, it takes a record without key and value
                headers = [*record.headers]
                batch.append(key=record.key, value=record.value, timestamp=record.append_time, headers=headers)
                await (await producer.send_batch(batch, bench.topic("raw"), partition=record.partition))
        finally:
            await producer.stop()
