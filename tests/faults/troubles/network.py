"""Connections between workers and brokers break, stall, lose what they carry; all through the proxies."""

import asyncio
import random
from collections.abc import Callable

from tests.faults.proxy import PRODUCE, Rules
from tests.faults.rig import Rig
from tests.faults.troubles.choosing import SESSION_SECONDS, any_worker

__all__ = [
    "answers_lost",
    "connections_reset",
    "replication_cut",
    "requests_cut",
    "requests_lost",
    "slow_link",
    "worker_cut_off",
]


async def connections_reset(rig: Rig, choose: random.Random) -> None:
    """FN5: every connection is reset, some times in a row."""
    for _ in range(choose.randint(2, 6)):
        for proxy in rig.proxies:
            proxy.reset()
        await asyncio.sleep(choose.uniform(0.1, 1.5))


async def requests_cut(rig: Rig, choose: random.Random) -> None:
    """FN5: produce requests break off after some bytes, and the connection is reset."""
    for _ in range(choose.randint(1, 3)):
        cut = rig.done["cut"]
        rig.rule(Rules(cut=(PRODUCE, choose.choice([5, 20, 100, 400, 1 << 30]))))
        for _ in range(50):
            if rig.done["cut"] > cut:
                break
            await asyncio.sleep(0.1)
        rig.rule()
        await asyncio.sleep(choose.uniform(0, 1))


async def answers_lost(rig: Rig, choose: random.Random) -> None:
    """FN2: half-open connections, over which requests arrive and answers do not."""
    await _ruled(rig, choose, lambda pids: Rules(pids, lose_answers=True))


async def requests_lost(rig: Rig, choose: random.Random) -> None:
    """FN2: the reverse, as when the way to the brokers breaks."""
    await _ruled(rig, choose, lambda pids: Rules(pids, lose_requests=True))


async def slow_link(rig: Rig, choose: random.Random) -> None:
    """FN3: up to a second for each request and each piece of an answer."""
    await _ruled(rig, choose, lambda pids: Rules(pids, delay=choose.uniform(0.1, 1)))


async def _ruled(rig: Rig, choose: random.Random, rules: Callable[[frozenset[int] | None], Rules]) -> None:
    """For one worker or for all."""
    found = await any_worker(rig, choose) if choose.random() < 0.5 else None
    rig.rule(rules(frozenset({found[1].process.pid}) if found else None))
    await asyncio.sleep(choose.uniform(1, 2 * SESSION_SECONDS))
    rig.rule()


async def worker_cut_off(rig: Rig, choose: random.Random) -> None:
    """FN1: a worker reaches no broker for longer than its session, and another takes over."""
    if (found := await any_worker(rig, choose)) is None:
        return
    place, worker = found
    rig.rule(Rules(frozenset({worker.process.pid}), lose_requests=True, lose_answers=True))
    other = rig.keep(place.kind)
    await asyncio.sleep(SESSION_SECONDS * choose.uniform(1.2, 2.5))
    rig.rule()
    await rig.leave(other)


async def replication_cut(rig: Rig, choose: random.Random) -> None:
    """FN4: a broker is cut off from the other brokers; clients reach it, and where it leads nothing is acknowledged."""
    alone = choose.randrange(len(rig.nodes))
    others = frozenset(node.pid for number, node in enumerate(rig.nodes) if number != alone)
    for number, proxy in enumerate(rig.proxies):
        pids = others if number == alone else frozenset({rig.nodes[alone].pid})
        proxy.rule(Rules(pids, lose_requests=True, lose_answers=True))
    await asyncio.sleep(choose.uniform(SESSION_SECONDS, 3 * SESSION_SECONDS))
    rig.rule()
