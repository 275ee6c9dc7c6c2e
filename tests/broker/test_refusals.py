"""What stops a start, and what an accepted gap comes to: workers as processes on the real broker."""

import asyncio
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from pipeline.broker.admin import admin
from pipeline.broker.topics import apply
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.refusals import fed_and_stopped, refused

pytestmark = pytest.mark.broker


def test_a_lost_changelog_is_refused(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await _deleted(bench, "anonymize-state", "aggregate-state")
        await _until_made(bench)
        await refused(bench.start("anonymize"), "events lost", "no state", "--accept-gap")
        await refused(bench.start("aggregate"), "events lost", "no state", "--accept-gap")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _deleted(bench: Bench, *shorts: str) -> None:
    async with admin(bench.brokers) as client:
        await client.delete_topics([bench.topic(short) for short in shorts])


@pytest.mark.parametrize("again", [0, 1500], ids=["shorter", "longer"])
def test_a_raw_topic_that_was_made_anew_is_refused_however_much_it_holds(
    brokers: str, prefix: str, tmp_path: Path, again: int
) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await _deleted(bench, "raw")
        await _until_made(bench)
        if again:
            await bench.feed(2, again)
        for arguments in ((), ("--accept-gap",)):
            await refused(bench.start("anonymize", *arguments), bench.topic("raw"), "FOOTFALL_TOPIC_PREFIX")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_clean_topic_that_was_made_anew_is_refused(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await _deleted(bench, "clean")
        await _until_made(bench)
        await refused(bench.start("aggregate"), bench.topic("clean"), "FOOTFALL_TOPIC_PREFIX")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_offsets_that_were_moved_or_deleted_change_nothing(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await _moved(bench, "anonymize", "raw", 0)
        await _moved(bench, "aggregate", "clean", 10**6)
        for kind in ("anonymize", "aggregate"):
            await bench.start(kind).ready()
        await bench.feed(2, 500)
        await bench.all_equal()
        for worker in bench.workers:
            await worker.stop()
        await _deleted_groups(bench)
        await bench.feed(3, 500)
        for kind in ("anonymize", "aggregate"):
            bench.start(kind)
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _moved(bench: Bench, kind: str, short: str, offset: int) -> None:
    """As an operator does it, once the group is empty."""
    group = f"{bench.settings.topic_prefix}-{kind}"
    consumer = AIOKafkaConsumer(bootstrap_servers=bench.brokers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        moved = {TopicPartition(bench.topic(short), number): offset for number in range(PARTITIONS)}
        consumer.assign(list(moved))
        await consumer.commit(moved)
    finally:
        await consumer.stop()


async def _deleted_groups(bench: Bench) -> None:
    """Both groups with their offsets; the admin client has no call for it."""
    for kind in ("anonymize", "aggregate"):
        group = f"{bench.settings.topic_prefix}-{kind}"
        async with admin(bench.brokers) as client:
            answer = await client._send_request(DeleteGroupsRequest([group]), await client.find_coordinator(group))
            assert [code for _, code in answer.results] == [0]
            assert not await client.list_consumer_group_offsets(group)


async def _until_made(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + 30
    while len(await apply(bench.settings)) < 1:
        assert loop.time() < until


def test_a_raw_log_cut_past_the_state_is_refused_and_can_be_accepted(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await bench.feed(2, 500)
        await _cut(bench)
        await refused(bench.start("anonymize"), "events lost", bench.topic("raw"), "--accept-gap")
        anonymize = bench.start("anonymize", "--accept-gap")
        await anonymize.ready()
        refusing = bench.start("aggregate")
        await bench.feed(3, 300)
        await refused(refusing, "events lost", bench.topic("clean"), "--accept-gap")
        accepting = bench.start("aggregate", "--accept-gap")
        await accepting.ready()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _cut(bench: Bench) -> None:
    """Delete every raw record."""
    everything = {TopicPartition(bench.topic("raw"), number): RecordsToDelete(-1) for number in range(PARTITIONS)}
    async with admin(bench.brokers) as client:
        await client.delete_records(everything)


def test_lost_events_of_partitions_that_another_worker_owns_are_found_before_joining(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        owner = bench.start("anonymize", SESSION_TIMEOUT="60")
        await owner.ready()
        await bench.feed(1, 300)
        await bench.until(bench.rejected)  # so there is state
        owner.process.send_signal(signal.SIGSTOP)
        await bench.feed(2, 300)
        await _cut(bench)
        await refused(bench.start("anonymize", SESSION_TIMEOUT="60"), "events lost", "--accept-gap")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_poisoned_clean_record_is_refused_without_its_content(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=brokers)
        await producer.start()
        try:
            await producer.send_and_wait(bench.topic("clean"), b"poison-7", partition=0)
        finally:
            await producer.stop()
        worker = bench.start("aggregate")
        await refused(worker, "no clean chunk")
        assert "poison-7" not in worker.log.read_text()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
