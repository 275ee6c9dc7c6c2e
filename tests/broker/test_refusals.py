"""What stops a start, and what an accepted gap comes to: workers as processes on the real broker."""

import asyncio
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.protocol.admin import DeleteGroupsRequest

from pipeline.broker.admin import admin
from pipeline.broker.digests import fold
from pipeline.broker.topics import apply
from pipeline.processes import WorkerProcess
from pipeline.settings import load_settings
from tests.broker.bench import PARTITIONS, Bench, run

pytestmark = pytest.mark.broker


async def refused(worker: WorkerProcess, *words: str) -> None:
    """The worker ends with exit code 2 and a line that holds ``words``."""
    assert await asyncio.to_thread(worker.process.wait, 30) == 2
    line = worker.log.read_text().strip().splitlines()[-1]
    assert line.startswith("footfall: ")
    for word in words:
        assert word in line


async def fed_and_stopped(bench: Bench) -> None:
    pair = [bench.start("anonymize"), bench.start("aggregate")]
    await bench.feed(1, 500)
    await bench.equal()
    assert [await worker.stop() for worker in pair] == [0, 0]


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


def test_another_fold_digest_is_refused_until_a_control_record_announces_it(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        old = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(1, 500)
        await bench.equal()
        await refused(bench.start("anonymize", LATENESS="P20D"), "fold digest in force")
        await refused(bench.start("aggregate", LATENESS="P20D"), "fold digest in force")
        await refused(bench.start("anonymize", PSEUDONYM_KEY="ab" * 32), "fold digest in force")
        other = load_settings(
            brokers=brokers, topic_prefix=prefix, partitions=PARTITIONS, lateness="P20D", pseudonym_key=bench.key
        )
        assert await fold(other, other.digest()) == PARTITIONS
        assert await fold(other, other.digest()) == 0
        bench.digests = {other.digest(): other.deciding()}
        for worker in old:
            await refused(worker, "fold digest in force")
        bench.start("anonymize", LATENESS="P20D")
        bench.start("aggregate", LATENESS="P20D")
        await bench.feed(2, 500)
        await bench.equal()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def announced(bench: Bench, **settings: str) -> None:
    """A control record for workers with these settings, in every partition."""
    other = load_settings(
        brokers=bench.brokers,
        topic_prefix=bench.settings.topic_prefix,
        partitions=PARTITIONS,
        pseudonym_key=bench.key,
        **{name.lower(): value for name, value in settings.items()},
    )
    assert await fold(other, other.digest()) == PARTITIONS
    bench.digests = {other.digest(): other.deciding()}


def test_the_release_before_a_control_record_may_start_until_it_got_there(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await bench.feed(2, 500)
        await announced(bench, LATENESS="P20D")
        await bench.feed(3, 500)
        for kind in ("anonymize", "aggregate"):
            await refused(bench.start(kind, LATENESS="P10D"), "fold digest in force")
        for kind in ("anonymize", "aggregate"):
            await refused(bench.start(kind), "fold digest in force")  # once it has done its part
        for kind in ("anonymize", "aggregate"):
            bench.start(kind, LATENESS="P20D")
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_change_of_digest_is_exact_while_both_releases_run(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        over = asyncio.Event()
        old: list[WorkerProcess] = []

        async def feed_on() -> None:
            for seed in range(2, 60):
                await bench.feed(seed, 200)
                if over.is_set():
                    return

        async def keep(kind: str, **more: str) -> None:
            """As whoever runs workers does: what ends is started again."""
            while not over.is_set():
                worker = bench.start(kind, **more)
                if not more:
                    old.append(worker)
                while worker.process.poll() is None and not over.is_set():
                    await asyncio.sleep(0.1)

        async def changed() -> bool:
            """Whether an old worker of each kind was refused at its start: in no partition there is more for it."""
            ends = [(worker.kind, worker.log.read_text()) for worker in old if worker.process.poll() == 2]
            return {kind for kind, said in ends if '"starting"' not in said} == {"anonymize", "aggregate"}

        kept = [asyncio.create_task(keep(kind)) for kind in ("anonymize", "aggregate")]
        await bench.feed(1, 500)
        await bench.equal()
        kept.append(asyncio.create_task(feed_on()))
        await announced(bench, LATENESS="P20D")
        kept += [asyncio.create_task(keep(kind, LATENESS="P20D")) for kind in ("anonymize", "aggregate")]
        await bench.until(changed)
        over.set()
        await asyncio.gather(*kept)
        for kind in ("anonymize", "aggregate"):
            bench.start(kind, LATENESS="P20D")
        await bench.all_equal()
        await bench.end_is_highest()

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
