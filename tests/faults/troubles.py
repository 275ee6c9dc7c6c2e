"""The faults: what each does to a deployment while it is at work. All are over when their function returns."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.reading import ends
from pipeline.worker.failpoints import FAILPOINTS
from tests.faults.rig import Place, Rig

__all__ = ["CLUSTER", "SINGLE", "Trouble"]

Trouble = Callable[[Rig, random.Random], Awaitable[None]]
SESSION_SECONDS = 6
_HOSTILE = (b"", b"\x00\xff", b"null", b"[" * 70, b'{"specversion":"1.0"', b"1" * 5000, b'{"id":1e400}', b"[[]]")


def _any(rig: Rig, choose: random.Random) -> Place | None:
    running = [place for place in rig.places if place.running]
    return choose.choice(running) if running else None


async def worker_killed(rig: Rig, choose: random.Random) -> None:
    """FP1: ``kill -9``."""
    if (place := _any(rig, choose)) is not None and place.worker is not None:
        place.worker.process.kill()


async def worker_killed_at_a_point(rig: Rig, choose: random.Random) -> None:
    """FP2 to FP5: ``kill -9`` at a named point, also of its recovery; one more worker that does not last."""
    kind = choose.choice(["anonymize", "aggregate"])
    place = rig.keep(kind, FAILPOINT=f"{choose.choice(FAILPOINTS)}:{choose.randint(1, 3)}")
    await asyncio.sleep(choose.uniform(4, 8))
    await rig.leave(place)


async def worker_restarted(rig: Rig, choose: random.Random) -> None:
    """FP6: SIGTERM under load, one after the other."""
    kind = choose.choice(["anonymize", "aggregate"])
    for place in [place for place in rig.places if place.kind == kind]:
        if place.running and place.worker is not None:
            place.worker.process.terminate()
            await asyncio.sleep(choose.uniform(0, 2))


async def worker_paused(rig: Rig, choose: random.Random) -> None:
    """FT1: SIGSTOP past the session timeout, another takes over, SIGCONT."""
    place = _any(rig, choose)
    if place is None or place.worker is None:
        return
    process = place.worker.process
    process.send_signal(signal.SIGSTOP)
    other = rig.keep(place.kind)
    await asyncio.sleep(SESSION_SECONDS * choose.uniform(0.5, 2))
    process.send_signal(signal.SIGCONT)
    await rig.leave(other)


async def workers_join_and_leave(rig: Rig, choose: random.Random) -> None:
    """FR1, FR2: a burst of rebalances."""
    for _ in range(choose.randint(1, 3)):
        place = rig.keep(choose.choice(["anonymize", "aggregate"]))
        await asyncio.sleep(choose.uniform(0.5, 4))
        await rig.leave(place)


async def broker_paused(rig: Rig, choose: random.Random) -> None:
    """FB8: a broker stands still for longer than a session."""
    node = choose.choice(rig.nodes)
    node.send_signal(signal.SIGSTOP)
    await asyncio.sleep(choose.uniform(2, 2 * SESSION_SECONDS))
    node.send_signal(signal.SIGCONT)


async def broker_crashed(rig: Rig, choose: random.Random) -> None:
    """FB1, FB2, FB5, FB6: ``kill -9`` of a broker, whatever it leads, and its return."""
    node = choose.choice(rig.nodes)
    node.send_signal(signal.SIGKILL)
    await node.stop_async()
    await asyncio.sleep(choose.uniform(0, 5))
    await node.start_async()


async def brokers_bounced(rig: Rig, choose: random.Random) -> None:
    """FB3: each broker restarted in turn."""
    for node in rig.nodes:
        await node.stop_async()
        await node.start_async()
        await asyncio.sleep(choose.uniform(0, 2))


async def all_brokers_down(rig: Rig, choose: random.Random) -> None:
    """FB7: nobody answers for a while."""
    await asyncio.gather(*(node.stop_async() for node in rig.nodes))
    await asyncio.sleep(choose.uniform(1, 10))
    await asyncio.gather(*(node.start_async() for node in rig.nodes))


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


def _named(*troubles: Trouble) -> dict[str, Trouble]:
    return {trouble.__name__: trouble for trouble in troubles}


SINGLE: Mapping[str, Trouble] = _named(
    worker_killed,
    worker_killed_at_a_point,
    worker_restarted,
    worker_paused,
    workers_join_and_leave,
    broker_paused,
    broker_crashed,
    offsets_moved,
    poison,
)
"""What one broker can be put through."""
CLUSTER: Mapping[str, Trouble] = {**SINGLE, **_named(brokers_bounced, all_brokers_down)}
"""What three can."""
