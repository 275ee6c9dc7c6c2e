"""Both workers as processes on the real broker: equal to the oracle, also when killed or stopped on the way."""

import asyncio
import signal
from pathlib import Path

import pytest

from pipeline.kafka.reader import read_topic
from pipeline.processes import WorkerProcess
from tests.broker.bench import DEADLINE, Bench, run

pytestmark = pytest.mark.broker
EACH_STORE = pytest.mark.parametrize("store", ["memory", "rocksdb"])


@pytest.mark.requirement("T12", "T13")
@EACH_STORE
def test_a_pair_of_workers_equals_the_oracle_and_leaks_nothing(
    brokers: str, prefix: str, tmp_path: Path, store: str
) -> None:
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
        metrics = {worker.kind: worker.get("/metrics")[1].encode() for worker in pair}
        assert [await worker.stop() for worker in pair] == [0, 0]
        search = await bench.leaks()
        for kind, page in metrics.items():
            search.look(f"metrics of {kind}", page)
        assert search.searched > 100_000
        assert not search.places

    asyncio.run(run(brokers, prefix, tmp_path, scenario, STORE=store))


@pytest.mark.requirement("T13")
@EACH_STORE
@pytest.mark.parametrize("kind", ["anonymize", "aggregate"])
def test_a_worker_killed_in_mid_stream_changes_no_figure(
    brokers: str, prefix: str, tmp_path: Path, kind: str, store: str
) -> None:
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
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario, STORE=store))


@pytest.mark.requirement("T13")
@EACH_STORE
@pytest.mark.parametrize("kind", ["anonymize", "aggregate"])
def test_a_paused_worker_that_wakes_after_another_took_over_changes_no_figure(
    brokers: str, prefix: str, tmp_path: Path, kind: str, store: str
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
        await _equal_after_a_late_write(bench, successor)
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario, STORE=store))


async def _equal_after_a_late_write(bench: Bench, worker: WorkerProcess) -> None:
    """Until the sink is equal; a write that was under way when the other was paused may land, and end this worker."""

    async def equal() -> bool:
        nonlocal worker
        if worker.process.poll() is not None:
            assert worker.process.returncode == 1
            assert "ForeignWriteError" in worker.log.read_text()
            worker = bench.start(worker.kind)  # as whoever keeps workers would
        return not (await bench.differences())[0]

    await bench.until(equal)


async def _until_written(bench: Bench, short: str) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + DEADLINE
    while not await read_topic(bench.brokers, bench.topic(short)):
        assert loop.time() < until, bench.logs()[-3000:]
