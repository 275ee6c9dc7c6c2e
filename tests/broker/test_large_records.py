"""Records as large as are legal, on the real broker: moved to their home, and counted there."""

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from agents.core.shared.home import home
from pipeline.kafka.reader import read_topic
from schemas.limits import MAX_RECORD_BYTES
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench, run

pytestmark = pytest.mark.broker
COMPANY = "acme"
HOME = home(COMPANY.encode(), PARTITIONS)


def event(number: int) -> bytes:
    told: dict[str, Any] = {"specversion": "1.0", "id": f"{number}", "source": "s", "type": "chat.created"}
    return json.dumps(told | {"company": COMPANY, "time": instant(int(time.time() * 1000))}).encode()


async def moved(bench: Bench) -> list[tuple[bytes | None, list[tuple[str, bytes]]]]:
    """Value and headers of each record that has come home."""
    raw = await read_topic(bench.brokers, bench.topic("raw"))
    return [(each.value, [*each.headers]) for each in raw if each.partition == HOME and each.headers]


async def all_moved(bench: Bench, number: int) -> bool:
    return len(await moved(bench)) == number


def test_misplaced_records_of_large_headers_are_moved_home(brokers: str, prefix: str, tmp_path: Path) -> None:
    """They ended the worker at every start: what it made of several was more than the topic takes."""
    choose, sent = random.Random(1), []
    for number in range(8):
        value, name = event(number), "h" * (1 + number)
        room = MAX_RECORD_BYTES - len(COMPANY) - len(value) - len(name)
        sent.append((value, [(name, choose.randbytes(room))]))

    async def scenario(bench: Bench) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=brokers, max_request_size=2 << 20)
        await producer.start()
        try:
            for value, headers in sent:
                away = (HOME + 1) % PARTITIONS
                await producer.send_and_wait(
                    bench.topic("raw"), value, key=COMPANY.encode(), partition=away, headers=headers
                )
            bench.start("anonymize")
            bench.start("aggregate")
            await bench.until(lambda: all_moved(bench, len(sent)))
            await producer.send_and_wait(bench.topic("raw"), event(100), key=COMPANY.encode(), partition=HOME)
        finally:
            await producer.stop()
        expected = await bench.all_equal()
        assert (expected.counted, expected.rejections) == (9, [])
        assert await moved(bench) == sent

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
