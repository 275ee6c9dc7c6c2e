"""What reaches the topics and groups from outside: poison, and operators who move offsets."""

import json
import pickle
import random
import time
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.kafka.reader import ends
from pipeline.proof.oracle.homes import home_of
from schemas.times import instant
from tests.faults.rig import Rig
from tests.hostile_batches import BOMBS, CASES
from tests.kafka_batches import Wire, record

__all__ = ["hostile_batches", "offsets_moved", "poison"]

_HOSTILE: tuple[bytes | None, ...] = (
    None,
    b"",
    b"\x00\xff",
    b"null",
    b"NaN",
    b"[" * 70,
    b"[" * 100_000,
    b"[[]]",
    b"1" * 5000,
    b'{"specversion":"1.0"',
    b'{"id":1e400}',
    b'{"id":"\\ud800","id":"twice"}',
    b'\xef\xbb\xbf{"specversion":"1.0"}',
    '{"specversion":"1.0"}'.encode("utf-16"),
    b'{"specversion":"1.0","id":"i","source":"s","type":"chat.created","company":"~","time":"9999-12-31T23:59:60Z"}',
    b'{"specversion":"1.0","id":"i","source":"s","type":"no.such","company":"acme1","time":"1970-01-01T00:00:00Z"}',
    b'{"__faust":{"ns":"builtins.object"},"specversion":"1.0"}',
    pickle.dumps(ValueError),
    b"x" * 1_200_000,
)
_HEADERS = (
    [],
    [("company", b"acme2"), ("", b"")],
    [("footfall-tick", b"1")],
    [("footfall-fold", b"\xff" * 16)],
    [(str(number), None) for number in range(10_000)],
)
"""The names of our own control records too, which these are not: they have a key or a value."""


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


async def hostile_batches(rig: Rig, choose: random.Random) -> None:
    """FK1, FK2: batches whose bytes no client writes, bombs among them, and events in them that count."""
    now, partitions = int(time.time() * 1000), rig.bench.settings.partitions
    try:
        async with Wire(rig.bench.brokers, rig.bench.topic("raw")) as wire:
            for number in range(25):
                name = choose.choice([*CASES, *CASES, *BOMBS])
                partition = choose.randrange(partitions)
                batch = (CASES | BOMBS)[name].build(partial(_event, f"{now}-{number}", partition, partitions))
                rig.proofs["hostile batches taken"] += not (await wire.send(partition, batch.at(now).data())).error
    except KafkaError:
        pass  # the broker was away, or another leads


def _event(label: str, partition: int, partitions: int, delta: int) -> bytes:
    """A record that counts where it can be read, at home in the partition."""
    names = (f"acme{number}" for number in range(1000))
    company = next(name for name in names if home_of(name.encode(), partitions) == partition)
    told = {"specversion": "1.0", "id": f"{label}-{delta}", "source": "hostile", "type": "chat.created"}
    told |= {"company": company, "time": instant(int(time.time()) * 1000)}
    return record(delta, company.encode(), json.dumps(told).encode())


async def poison(rig: Rig, choose: random.Random) -> None:
    """FX1: bytes of every hostile shape, straight to the broker."""
    producer = AIOKafkaProducer(
        bootstrap_servers=rig.bench.brokers, request_timeout_ms=60_000, max_request_size=2 << 20
    )
    await producer.start()
    try:
        for _ in range(30):
            value, headers = choose.choice(_HOSTILE), choose.choice(_HEADERS)
            key = choose.choice([b"acme1", b"\xff", b"x" * 300, *([] if value is None else [None, b""])])
            partition = choose.randrange(rig.bench.settings.partitions)
            await producer.send_and_wait(rig.bench.topic("raw"), value, key, partition, headers=headers)
    except KafkaError:
        pass  # the broker was away: what is not on the log need not be counted
    finally:
        await producer.stop()
