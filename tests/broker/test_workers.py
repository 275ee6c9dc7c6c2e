"""Both workers as processes on the real broker: equal to the oracle, also when killed or stopped on the way."""

import asyncio
import secrets
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from load import CANARY, make_load, publish

from pipeline.broker.topics import apply
from pipeline.leaks import LeakSearch
from pipeline.oracle import OracleResult, expect
from pipeline.processes import WorkerProcess, start_worker
from pipeline.reading import read_topic
from pipeline.settings import Settings, load_settings
from pipeline.sink import SinkView
from pipeline.verify import Difference, compare, last_is_highest
from schemas.rejections import decode_rejection
from schemas.topics import TOPICS, topic_name

pytestmark = pytest.mark.broker
PARTITIONS = 4
DEADLINE = 90.0


class Bench:
    """One prefix on the broker: starts workers, feeds raw, compares the sink."""

    def __init__(self, brokers: str, prefix: str, folder: Path) -> None:
        self.brokers = brokers
        self.folder = folder
        self.settings: Settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=PARTITIONS)
        self.workers: list[WorkerProcess] = []
        self._key = secrets.token_hex(32)

    def topic(self, short: str) -> str:
        return topic_name(self.settings.topic_prefix, short)

    def start(self, kind: str) -> WorkerProcess:
        given = {
            "BROKERS": self.brokers,
            "TOPIC_PREFIX": self.settings.topic_prefix,
            "PARTITIONS": str(PARTITIONS),
            "EMIT_INTERVAL": "1",
            "SESSION_TIMEOUT": "6",
        }
        if kind == "anonymize":
            given["PSEUDONYM_KEY"] = self._key
        worker = start_worker(kind, given, self.folder, f"{kind}-{len(self.workers)}")
        self.workers.append(worker)
        return worker

    async def feed(self, seed: int, count: int) -> None:
        await publish(self.brokers, self.topic("raw"), make_load(seed, count, PARTITIONS))

    async def differences(self) -> tuple[list[Difference], OracleResult]:
        """Compare once: what differs now."""
        raw = await read_topic(self.brokers, self.topic("raw"))
        expected = expect(raw, self.settings.deciding(), PARTITIONS, topic=self.topic("raw"))
        sink = await read_topic(self.brokers, self.topic("aggregates"))
        view = SinkView()
        view.apply(sink)
        return [*compare(view.records, expected.figures)], expected

    async def equal(self) -> OracleResult:
        """Wait until the sink equals the oracle; fails with what differs at the deadline."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DEADLINE
        while True:
            found, expected = await self.differences()
            if not found:
                return expected
            assert loop.time() < until, (len(found), found[:5], self.logs()[-3000:])
            await asyncio.sleep(0.3)

    async def end_is_highest(self) -> None:
        assert not last_is_highest(await read_topic(self.brokers, self.topic("aggregates")))

    async def rejected_as(self, expected: OracleResult) -> None:
        found = {
            (each.partition, each.offset, each.path, each.reason)
            for record in await read_topic(self.brokers, self.topic("rejected"))
            for each in [decode_rejection(record.value or b"")]
        }
        assert found == {(each.partition, each.offset, each.path, each.reason) for each in expected.rejections}

    def logs(self) -> str:
        return "".join(worker.log.read_text(errors="replace") for worker in self.workers)

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()


async def run(brokers: str, prefix: str, folder: Path, scenario: object) -> None:
    bench = Bench(brokers, prefix, folder)
    await apply(bench.settings)
    try:
        await scenario(bench)  # type: ignore[operator]
    finally:
        await bench.stop()


def test_a_pair_of_workers_equals_the_oracle_and_leaks_nothing(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(1, 4000)
        expected = await bench.equal()
        assert expected.counted > 3000
        assert len(expected.by_reason) >= 5
        assert expected.moved > 0
        await bench.end_is_highest()
        await bench.rejected_as(expected)
        for worker in pair:
            await worker.ready()
        search = LeakSearch([CANARY])
        for worker in pair:
            search.look(f"metrics of {worker.kind}", worker.get("/metrics")[1].encode())
        assert [await worker.stop() for worker in pair] == [0, 0]
        for short in TOPICS:
            if short != "raw":
                search.records(short, await read_topic(bench.brokers, bench.topic(short)))
        search.look("logs", bench.logs().encode())
        assert search.searched > 100_000
        assert not search.places

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


@pytest.mark.parametrize("kind", ["anonymize", "aggregate"])
def test_a_worker_killed_in_mid_stream_changes_no_figure(brokers: str, prefix: str, tmp_path: Path, kind: str) -> None:
    async def scenario(bench: Bench) -> None:
        workers = {"anonymize": bench.start("anonymize"), "aggregate": bench.start("aggregate")}
        for worker in workers.values():
            await worker.ready()
        feeding = asyncio.create_task(bench.feed(2, 6000))
        await _until_written(bench, "clean" if kind == "anonymize" else "aggregates")
        workers[kind].process.kill()
        workers[kind].process.wait()
        bench.start(kind)
        await feeding
        await bench.rejected_as(await bench.equal())
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


@pytest.mark.parametrize("kind", ["anonymize", "aggregate"])
def test_a_paused_worker_that_wakes_after_another_took_over_changes_no_figure(
    brokers: str, prefix: str, tmp_path: Path, kind: str
) -> None:
    async def scenario(bench: Bench) -> None:
        workers = {"anonymize": bench.start("anonymize"), "aggregate": bench.start("aggregate")}
        for worker in workers.values():
            await worker.ready()
        feeding = asyncio.create_task(bench.feed(3, 6000))
        await _until_written(bench, "clean" if kind == "anonymize" else "aggregates")
        workers[kind].process.send_signal(signal.SIGSTOP)
        successor = bench.start(kind)
        await feeding
        await successor.ready()
        await bench.equal()
        workers[kind].process.send_signal(signal.SIGCONT)
        assert await asyncio.to_thread(workers[kind].process.wait, 30) == 1
        await bench.feed(4, 1000)
        await bench.equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _until_written(bench: Bench, short: str) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + DEADLINE
    while not await read_topic(bench.brokers, bench.topic(short)):
        assert loop.time() < until, bench.logs()[-3000:]
