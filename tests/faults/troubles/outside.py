"""What reaches the topics and groups from outside: poison, and operators who move offsets."""

import random

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.reading import ends
from tests.faults.rig import Rig

__all__ = ["offsets_moved", "poison"]

_HOSTILE = (b"", b"\x00\xff", b"null", b"[" * 70, b'{"specversion":"1.0"', b"1" * 5000, b'{"id":1e400}', b"[[]]")


async def offsets_moved(rig: Rig, choose: random.Random) -> None:
    """A1, A2, FM2: an operator moves a group's offsets; the position comes from the state, so nothing changes.

    Once there is state everywhere: a commit without state is what a lost changelog looks like, and is refused.
    """
    kind, topic = choose.choice([("anonymize", "raw"), ("aggregate", "clean")])
    state = rig.bench.topic(f"{kind}-state")

    async def written() -> bool:
        return all(end for _, end in (await ends(rig.bench.brokers, state)).values())

    await rig.bench.until(written)
    group = f"{rig.bench.settings.topic_prefix}-{kind}"
    consumer = AIOKafkaConsumer(bootstrap_servers=rig.bench.brokers, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        partition = TopicPartition(rig.bench.topic(topic), choose.randrange(rig.bench.settings.partitions))
        consumer.assign([partition])
        await consumer.commit({partition: choose.randrange(1, 50)})
    except KafkaError:
        pass  # the group is alive, and the broker refuses such a commit: as good
    finally:
        await consumer.stop()


async def poison(rig: Rig, choose: random.Random) -> None:
    """FX1: bytes of every hostile shape, straight to the broker."""
    producer = AIOKafkaProducer(bootstrap_servers=rig.bench.brokers, request_timeout_ms=60_000)
    await producer.start()
    try:
        for _ in range(20):
            key = choose.choice([None, b"acme1", b"\xff", b"x" * 300])
            partition = choose.randrange(rig.bench.settings.partitions)
            await producer.send_and_wait(rig.bench.topic("raw"), choose.choice(_HOSTILE), key, partition)
    except KafkaError:
        pass  # the broker was away: what is not on the log need not be counted
    finally:
        await producer.stop()
