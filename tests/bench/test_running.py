"""The runner on a real broker: a peer that writes what it is told to, with its own processes and topics."""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import psutil
import pytest

from bench.peers.catalogue import Command, Peer, Run
from bench.peers.running import run_peer

pytestmark = pytest.mark.broker

WRITES = """
import asyncio, json, sys
from aiokafka import AIOKafkaProducer

async def main(brokers, sink, figures):
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    for key, value in json.loads(figures):
        await producer.send_and_wait(sink, key=key.encode(), value=json.dumps(value).encode())
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""
EXPECTED = {"acme|prompts|PT1H|2026-11-01T10:00:00Z|assistant=a,module=m": 3, "acme|dau|P1D|2026-11-01T00:00:00Z|": 2}


def peer(*figures: tuple[str, object]) -> Peer:
    def commands(run: Run) -> list[Command]:
        argv = (sys.executable, "-c", WRITES, run.brokers, run.sink, orjson.dumps(figures).decode())
        return [Command(argv, {}, run.folder)]

    return Peer("one that writes", "none", lambda: None, commands)


async def written(brokers: str, folder: Path, figures: Mapping[str, object], deadline: float) -> tuple[bool, int]:
    first = [(key, 1) for key in EXPECTED]
    name = f"raw-{secrets.token_hex(4)}"
    made = peer(*first, *figures.items())
    result = await run_peer(made, brokers, name, folder, EXPECTED, partitions=2, workers=1, deadline=deadline)
    return result.right, len(result.differences)


async def test_the_last_value_of_a_figure_is_the_truth(brokers: str, tmp_path: Path) -> None:
    assert await written(brokers, tmp_path, EXPECTED, 60) == (True, 0)


@pytest.mark.parametrize("value", [4, "3", 3.0, None])
async def test_a_sink_that_differs_is_found_out(brokers: str, tmp_path: Path, value: object) -> None:
    wrong = dict.fromkeys(EXPECTED, value)
    assert await written(brokers, tmp_path, wrong, 8) == (False, 2)


async def test_nothing_of_a_peer_lives_on(brokers: str, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    await written(brokers, tmp_path, EXPECTED, 60)
    await asyncio.sleep(0)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
