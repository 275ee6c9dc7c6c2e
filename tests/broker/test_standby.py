"""Standbys on the real broker: the state of a killed worker is taken over where it was followed."""

import asyncio
from pathlib import Path

import pytest

from pipeline.processes import WorkerProcess, metric_total
from tests.broker.bench import PARTITIONS, Bench, run

pytestmark = pytest.mark.broker


async def _metric(worker: WorkerProcess, name: str, **labels: str) -> float | None:
    status, page = await asyncio.to_thread(worker.get, "/metrics")
    return metric_total(page, name, **labels) if status == 200 else None


async def _owned(worker: WorkerProcess) -> set[str]:
    _, page = await asyncio.to_thread(worker.get, "/metrics")
    return {
        str(number)
        for number in range(PARTITIONS)
        if metric_total(page, "footfall_consumer_lag", partition=str(number)) is not None
    }


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("kind", ["anonymize", "aggregate"])
def test_a_warm_standby_takes_over_from_a_killed_worker(brokers: str, prefix: str, tmp_path: Path, kind: str) -> None:
    async def scenario(bench: Bench) -> None:
        # Longer than anything here waits for: that the other takes over shows that the group was told of the death.
        first = bench.start(kind, SESSION_TIMEOUT="280")
        other = bench.start("aggregate" if kind == "anonymize" else "anonymize")
        await first.ready()
        await other.ready()
        await bench.feed(2, 2000)
        await bench.equal()
        second = bench.start(kind)

        async def shared() -> bool:
            return len(await _owned(first)) == len(await _owned(second)) == PARTITIONS // 2

        async def warm() -> bool:
            return await _metric(second, "footfall_standby_lag") == 0

        await bench.until(shared)
        await bench.until(warm)
        assert await _metric(first, "footfall_recoveries_total", way="kept") == PARTITIONS // 2
        assert not await _metric(second, "footfall_recoveries_total", way="standby")
        feeding = asyncio.create_task(bench.feed(3, 4000))
        position = await _metric(second, "footfall_chunk_records_sum") or 0

        async def folds() -> bool:
            return (await _metric(second, "footfall_chunk_records_sum") or 0) > position

        await bench.until(folds)
        first.process.kill()
        first.process.wait()
        await feeding
        await bench.all_equal()
        await bench.end_is_highest()
        assert await _metric(second, "footfall_recoveries_total", way="standby") == PARTITIONS // 2
        assert await _metric(second, "footfall_recoveries_total", way="kept") == PARTITIONS // 2
        assert '"way": "standby"' in second.log.read_text()
        assert [await second.stop(), await other.stop()] == [0, 0]

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
