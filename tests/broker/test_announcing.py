"""One release, or one set of settings, after another: announced, gone on with, gone back from; on the real broker."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.errors import StartupError
from pipeline.processes import WorkerProcess, new_keys
from pipeline.proof.oracle.homes import home_of
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.refusals import fed_and_stopped, refused

pytestmark = pytest.mark.broker
KINDS = ("anonymize", "aggregate")
NEW = {"LATENESS": "P20D"}
SOON = 60


def event(company: str, number: int) -> bytes:
    told = {
        "specversion": "1.0",
        "id": str(number),
        "sequence": number,
        "source": "s",
        "type": "chat.created",
        "company": company,
        "time": instant(int(time.time() * 1000)),
        "data": {"user": "ann"},
    }
    return json.dumps(told).encode()


async def publish(bench: Bench, *values: bytes, company: str = "acme", partition: int | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bench.brokers)
    await producer.start()
    try:
        for value in values:
            at = home_of(company.encode(), PARTITIONS) if partition is None else partition
            await producer.send_and_wait(bench.topic("raw"), value, key=company.encode(), partition=at)
    finally:
        await producer.stop()


async def all_ready(workers: list[WorkerProcess], deadline: float = SOON) -> None:
    await asyncio.gather(*(worker.ready(deadline) for worker in workers))


async def kept(bench: Bench, kind: str, over: asyncio.Event, **more: str) -> WorkerProcess:
    """As whoever runs workers does: what ends is started again; returns the one that runs at the end."""
    while True:
        worker = bench.start(kind, **more)
        while worker.process.poll() is None:
            if over.is_set():
                return worker
            await asyncio.sleep(0.1)


def test_before_an_announcement_each_start_says_what_is_in_force_and_what_to_do(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start(kind) for kind in KINDS]
        await bench.feed(1, 300)
        await bench.equal()
        own = bench.other().digest()
        await refused(bench.start("anonymize", **NEW), own, "in force", "footfall topics fold")
        await refused(bench.start("aggregate", **NEW), own[:16], "start anonymize of this release first, then me again")
        await refused(bench.start("anonymize", PSEUDONYM_KEY="ab" * 32), "pseudonym key is not the one in force")
        await refused(bench.start("anonymize", CONTROL_KEY="ab" * 32), "control key is not the one in force")
        assert all(worker.process.poll() is None for worker in pair)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def running(bench: Bench, count: int) -> bool:
    """Whether just so many workers are there, and every one is ready."""
    there = [worker for worker in bench.workers if worker.process.poll() is None]
    answers = await asyncio.gather(*(asyncio.to_thread(worker.get, "/readyz") for worker in there))
    return [status for status, _ in answers].count(200) == count == len(there)


@pytest.mark.parametrize("old_ones", [0, 1, 2], ids=["nobody runs", "a pair runs", "two pairs run"])
def test_every_partition_is_ready_under_the_new_release_and_the_old_one_leaves_and_back(
    brokers: str, prefix: str, tmp_path: Path, old_ones: int
) -> None:
    """Of four partitions one is written; the others were never."""

    async def scenario(bench: Bench) -> None:
        number = iter(range(100))

        async def gone_over(old: list[WorkerProcess], **settings: str) -> list[WorkerProcess]:
            """Announced, and everything is as it should be within the time."""
            over, new = asyncio.Event(), 2 * max(1, old_ones)
            bench.deadline = SOON
            lower = {name.lower(): value for name, value in settings.items()}
            assert await bench.announce(**lower) == [*range(PARTITIONS)]
            assert await bench.announce(**lower) == []
            keeping = [asyncio.create_task(kept(bench, KINDS[each % 2], over, **settings)) for each in range(new)]
            for worker in old:
                await refused(worker, "fold digest", deadline=SOON)
            await bench.until(lambda: running(bench, new))
            await publish(bench, event("acme", next(number)))
            await bench.all_equal()
            over.set()
            return list(await asyncio.gather(*keeping))

        old = [bench.start(kind) for kind in KINDS for _ in range(max(1, old_ones))]
        await all_ready(old)
        await publish(bench, event("acme", next(number)))
        await bench.equal()
        if not old_ones:
            assert [await worker.stop() for worker in old] == [0, 0]
        new = await gone_over(old if old_ones else [], **NEW)
        await gone_over(new)  # and back, as docs/operations.md says
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_the_new_release_waits_out_of_the_group_and_says_for_how_much(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        acme = home_of(b"acme", PARTITIONS)
        await publish(bench, *(event("acme", number) for number in range(30)))
        await bench.announce(lateness="P20D")
        await bench.feed(3, 500)
        await refused(bench.start("anonymize", LATENESS="P10D"), "fold digest in force")
        await refused(bench.start("aggregate", **NEW), "start anonymize of this release first, then me again")
        waiting = bench.start("anonymize", **NEW)

        async def says() -> bool:
            status, page = await asyncio.to_thread(waiting.get, "/readyz")
            return status == 503 and f"30 in partition {acme}" in page

        await bench.until(says)
        assert '"waits_for_the_release_before"' in waiting.log.read_text()
        for kind in KINDS:  # once it has done its part
            await refused(bench.start(kind), "fold digest in force", "which is done")
        await waiting.ready()
        new = bench.start("aggregate", **NEW)
        await bench.all_equal()
        await bench.end_is_highest()
        await new.ready()
        await refused(
            bench.start("aggregate"), "of this worker, which was in force before", "that worker anonymize has"
        )

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_an_announced_change_is_exact_while_both_releases_run_and_events_arrive(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        done, over = asyncio.Event(), asyncio.Event()

        async def feed_on() -> None:
            for seed in range(2, 60):
                await bench.feed(seed, 200)
                if done.is_set():
                    return

        old = [asyncio.create_task(kept(bench, kind, over)) for kind in KINDS]
        await bench.feed(1, 500)
        await bench.equal()
        feeding = asyncio.create_task(feed_on())
        await bench.announce(lateness="P20D")
        new = [asyncio.create_task(kept(bench, kind, done, **NEW)) for kind in KINDS for _ in range(2)]
        workers = [bench.workers[0], bench.workers[1]]
        for worker in workers:
            await refused(worker, "fold digest", deadline=SOON)
        over.set()  # nobody starts the old release any more
        for worker in await asyncio.gather(*old):
            await worker.stop()

        async def all_new() -> bool:
            there = [worker for worker in bench.workers if worker.process.poll() is None]
            return len(there) == 4 and await running(bench, 4)

        await bench.until(all_new)
        done.set()
        await feeding
        await asyncio.gather(*new)
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_new_control_key_is_announced_by_the_one_before(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        old = [bench.start(kind) for kind in KINDS]
        await all_ready(old)
        await publish(bench, event("acme", 1))
        await bench.equal()
        before, after = bench.keys["CONTROL_KEY"], new_keys()["CONTROL_KEY"]
        with pytest.raises(StartupError, match="FOOTFALL_CONTROL_KEY_PREVIOUS"):
            await bench.announce(control_key=after)
        with pytest.raises(StartupError, match="a new one cannot be announced"):
            await bench.announce(pseudonym_key=new_keys()["PSEUDONYM_KEY"])
        bench.keys |= {"CONTROL_KEY": after, "CONTROL_KEY_PREVIOUS": before}
        assert await bench.announce() == [*range(PARTITIONS)]
        await refused(old[0], "fold digest in force")
        new = bench.start("anonymize")
        await new.ready()
        await publish(bench, event("acme", 2))
        await bench.all_equal()
        assert old[1].process.poll() is None  # nothing changed that it knows of
        assert await new.stop() == 0
        # Once raw holds nothing any more that the key before has signed, nobody needs it.
        bench.start("anonymize", CONTROL_KEY_PREVIOUS=after)
        await publish(bench, event("acme", 3))
        await bench.all_equal()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
