"""The changelogs are compacted as hard as Kafka can, while no worker is there to write again what was forgotten."""

import asyncio
import random

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.broker.admin import admin
from pipeline.kafka.appender import Appender
from pipeline.kafka.reader import StoredRecord, ends, read_topic
from schemas.topics import topic_config
from tests.faults.rig import Rig

__all__ = ["changelogs_compacted"]

_AT_ONCE = {
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1",
    "min.cleanable.dirty.ratio": "0.0001",
    "segment.ms": "1",
    "delete.retention.ms": "0",
}
_STATES = ("anonymize-state", "aggregate-state")


async def changelogs_compacted(rig: Rig, choose: random.Random) -> None:
    """FM4: workers that have recovered are killed, their changelogs compacted at once, and they start again.

    Workers keep the lag for a reason: what a late writer overwrote is to be mended before the right record can be
    forgotten. So this begins when all have mended, and ends when records have vanished.
    """
    chosen = choose.sample(_STATES, choose.randint(1, 2))

    async def written() -> bool:
        """Whether there is something to compact."""
        found = [await read_topic(rig.bench.brokers, rig.bench.topic(short)) for short in chosen]
        return all(len({(each.partition, each.key) for each in records}) < len(records) for records in found)

    await rig.bench.until(written)
    await rig.all_at_work()
    async with rig.nobody_at_work():
        await _configure(rig, _AT_ONCE)
        await asyncio.gather(*(_compact(rig, short) for short in chosen))
        await _configure(rig, {})


async def _configure(rig: Rig, more: dict[str, str]) -> None:
    async with admin(rig.bench.brokers) as client:
        resources = [
            ConfigResource(
                ConfigResourceType.TOPIC, rig.bench.topic(short), topic_config(short, min(3, len(rig.nodes))) | more
            )
            for short in _STATES
        ]
        for answer in await client.alter_configs(resources):
            assert not answer.resources[0][0], answer.resources


async def _compact(rig: Rig, short: str) -> None:
    brokers, topic = rig.bench.brokers, rig.bench.topic(short)
    before = await read_topic(brokers, topic)
    last = {record.partition: record for record in before}

    async def shorter() -> bool:
        await _append_again(brokers, topic, last)
        stands = {(record.partition, record.offset) for record in await read_topic(brokers, topic)}
        return any((record.partition, record.offset) not in stands for record in before)

    await rig.bench.until(shorter)
    left, total = len(await read_topic(brokers, topic)), sum(end for _, end in (await ends(brokers, topic)).values())
    rig.proofs["records removed by the cleaner"] += total - left


async def _append_again(brokers: str, topic: str, last: dict[int, StoredRecord]) -> None:
    """The last record of each partition once more, which joins to nothing new, so that its segment is closed."""
    async with Appender(brokers, lambda: True) as appender:
        for number, record in last.items():
            await appender.append(topic, number, [(record.key, record.value, ())])
