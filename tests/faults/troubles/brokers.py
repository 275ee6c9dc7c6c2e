"""Brokers are paused, killed, restarted: any one, the one that leads, most of them, all of them."""

import asyncio
import contextlib
import json
import random
import signal

from aiokafka.errors import KafkaError

from pipeline.broker.admin import admin
from pipeline.broker.embedded import EmbeddedBroker
from pipeline.errors import StartupError
from tests.broker.bench import PARTITIONS
from tests.faults.rig import Rig
from tests.faults.troubles.choosing import SESSION_SECONDS, any_kind

__all__ = [
    "all_brokers_down",
    "all_brokers_down_for_a_minute",
    "broker_crashed",
    "broker_paused",
    "broker_paused_half_a_minute",
    "brokers_bounced",
    "controller_killed",
    "coordinator_killed",
    "leader_killed",
    "two_brokers_killed",
]


async def broker_paused(rig: Rig, choose: random.Random) -> None:
    """FB8: a broker stands still for longer than a session."""
    node = choose.choice(rig.nodes)
    node.send_signal(signal.SIGSTOP)
    await asyncio.sleep(choose.uniform(2, 2 * SESSION_SECONDS))
    node.send_signal(signal.SIGCONT)


async def broker_paused_half_a_minute(rig: Rig, choose: random.Random) -> None:
    """FB8: a broker is slow beyond all patience, and comes back."""
    node = choose.choice(rig.nodes)
    node.send_signal(signal.SIGSTOP)
    await asyncio.sleep(30)
    node.send_signal(signal.SIGCONT)


async def broker_crashed(rig: Rig, choose: random.Random) -> None:
    """FB1: ``kill -9`` of a broker, whatever it leads, and its return."""
    await _crash([choose.choice(rig.nodes)], choose)


async def _crash(nodes: list[EmbeddedBroker], choose: random.Random) -> None:
    for node in nodes:
        node.send_signal(signal.SIGKILL)
    await asyncio.gather(*(node.stop_async() for node in nodes))
    await asyncio.sleep(choose.uniform(0, 5))
    await asyncio.gather(*(node.start_async() for node in nodes))


async def brokers_bounced(rig: Rig, choose: random.Random) -> None:
    """FB3: each broker restarted in turn."""
    for node in rig.nodes:
        await node.stop_async()
        await node.start_async()
        await asyncio.sleep(choose.uniform(0, 2))


async def all_brokers_down(rig: Rig, choose: random.Random) -> None:
    """FB7: nobody answers for a while."""
    await _all_down(rig, choose.uniform(1, 10))


async def all_brokers_down_for_a_minute(rig: Rig, _: random.Random) -> None:
    """FB7: nobody answers for a minute."""
    await _all_down(rig, 60)


async def _all_down(rig: Rig, seconds: float) -> None:
    await asyncio.gather(*(node.stop_async() for node in rig.nodes))
    await asyncio.sleep(seconds)
    await asyncio.gather(*(node.start_async() for node in rig.nodes))


async def two_brokers_killed(rig: Rig, choose: random.Random) -> None:
    """FB7: two of three are gone, so nothing may be acknowledged, and come back."""
    await _crash(choose.sample(rig.nodes, 2), choose)


async def leader_killed(rig: Rig, choose: random.Random) -> None:
    """FB2: the leader of a partition, asked for and killed."""
    short = choose.choice(["raw", "clean", "aggregates", "anonymize-state", "aggregate-state"])
    async with admin(rig.bench.brokers) as client:
        (topic,) = await client.describe_topics([rig.bench.topic(short)])
    number = choose.randrange(PARTITIONS)
    leader = next(each["leader"] for each in topic["partitions"] if each["partition"] == number)
    await _crash([_node(rig, leader)], choose)


async def coordinator_killed(rig: Rig, choose: random.Random) -> None:
    """FB5: the broker that coordinates a group of workers."""
    group = f"{rig.bench.settings.topic_prefix}-{any_kind(choose)}"
    found: list[int] = []

    async def known() -> bool:
        with contextlib.suppress(KafkaError, StartupError):
            async with admin(rig.bench.brokers) as client:
                found.append(await client.find_coordinator(group))
        return bool(found)

    await rig.bench.until(known)
    await _crash([_node(rig, found[0])], choose)


async def controller_killed(rig: Rig, choose: random.Random) -> None:
    """FB6: the leader of the controllers' quorum, as the newest of the nodes' own records of it says."""
    states = (node.folder / "data" / "__cluster_metadata-0" / "quorum-state" for node in rig.nodes)
    newest = max((json.loads(state.read_text()) for state in states), key=lambda state: state["leaderEpoch"])
    await _crash([_node(rig, newest["leaderId"])], choose)


def _node(rig: Rig, number: int) -> EmbeddedBroker:
    return next(each for each in rig.nodes if each.node == number)
