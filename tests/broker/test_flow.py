"""What only time and company bring: ticks for idle partitions, workers that join and leave; on the real broker."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.broker.topics import apply
from pipeline.kafka.reader import StoredRecord, read_topic
from pipeline.processes import metric_total
from pipeline.proof.oracle.homes import home_of
from pipeline.settings.settings import load_settings
from schemas.limits import HOUR_MS
from schemas.times import instant
from tests.broker.bench import DEADLINE, PARTITIONS, Bench, run

pytestmark = pytest.mark.broker


def test_an_idle_partition_gets_a_tick_that_closes_its_hour(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=PARTITIONS, idle_after=2)
        await apply(bench.settings)
        bench.start("anonymize", IDLE_AFTER="2")
        bench.start("aggregate", IDLE_AFTER="2")
        producer = AIOKafkaProducer(bootstrap_servers=brokers)
        await producer.start()
        try:
            await _send(producer, bench, "1", hours_ago=5)
        finally:
            await producer.stop()

        async def ticks() -> list[StoredRecord]:
            raw = await read_topic(brokers, bench.topic("raw"))
            return [each for each in raw if [name for name, _ in each.headers] == ["footfall-tick"]]

        async def everywhere() -> bool:
            """A month closes in partitions without any record too."""
            return len(await ticks()) == PARTITIONS and "final" in await _statuses(bench)

        await bench.until(everywhere)
        expected = await bench.equal()
        assert not expected.rejections
        found = await ticks()
        assert sorted(each.partition for each in found) == [*range(PARTITIONS)]
        assert {(each.key, each.value) for each in found} == {(None, None)}

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _send(producer: AIOKafkaProducer, bench: Bench, number: str, *, hours_ago: int = 0) -> None:
    """Append an event of the company "acme"."""
    event = {
        "specversion": "1.0",
        "id": number,
        "source": "s",
        "type": "chat.created",
        "company": "acme",
        "time": instant(int(time.time() * 1000) - hours_ago * HOUR_MS),
    }
    await producer.send_and_wait(bench.topic("raw"), json.dumps(event).encode(), key=b"acme")


async def _statuses(bench: Bench) -> set[str]:
    return {
        json.loads(each.value or b"{}").get("status")
        for each in await read_topic(bench.brokers, bench.topic("aggregates"))
    }


def test_workers_that_join_and_leave_change_no_figure(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        first = [bench.start("anonymize"), bench.start("aggregate")]
        for worker in first:
            await worker.ready()
        feeding = asyncio.create_task(bench.feed(7, 8000))
        second = [bench.start("anonymize"), bench.start("aggregate")]
        for worker in second:
            await worker.ready()
        assert [await worker.stop() for worker in first] == [0, 0]
        await feeding
        await bench.all_equal()
        await bench.end_is_highest()
        third = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(8, 2000)
        for worker in third:
            await worker.ready()
        await bench.equal()
        assert [await worker.stop() for worker in [*second, *third]] == [0, 0, 0, 0], bench.logs()[-3000:]

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_what_a_producer_aborts_is_not_counted_and_markers_hold_nobody_up(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        producer = AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=f"{prefix}-producer")
        await producer.start()
        try:
            for number, kept in enumerate([True, False, True, False]):
                await producer.begin_transaction()
                for more in range(5):
                    await _send(producer, bench, f"{number}-{more}")
                await (producer.commit_transaction() if kept else producer.abort_transaction())
        finally:
            await producer.stop()
        assert (await bench.equal()).counted == 10
        for worker in pair:
            await worker.ready()
        until = asyncio.get_running_loop().time() + DEADLINE
        while metric_total(pair[0].get("/metrics")[1], "footfall_consumer_lag") != 0:
            assert asyncio.get_running_loop().time() < until, pair[0].get("/metrics")[1]
            await asyncio.sleep(0.2)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_partition_that_an_open_transaction_holds_is_told_and_goes_on_when_it_ends(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        for worker in pair:
            await worker.ready()
        at = home_of(b"acme", PARTITIONS)
        producer = AIOKafkaProducer(
            bootstrap_servers=brokers, transactional_id=f"{prefix}-producer", transaction_timeout_ms=600_000
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for number in range(3):
                await _send(producer, bench, str(number))

            async def told() -> bool:
                status, page = await asyncio.to_thread(pair[0].get, "/readyz")
                return status == 503 and f"partitions {at} are held by an open transaction" in page

            await bench.until(told)
            assert metric_total(pair[0].get("/metrics")[1], "footfall_held_records", partition=str(at)) == 3

            async def logged() -> bool:
                return '"held_by_a_transaction"' in pair[0].log.read_text()

            await bench.until(logged)
            assert pair[1].get("/readyz")[0] == 200
            await producer.commit_transaction()
        finally:
            await producer.stop()
        await pair[0].ready()
        assert (await bench.all_equal()).counted == 3

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
