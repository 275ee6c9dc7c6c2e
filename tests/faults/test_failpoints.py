"""``kill -9`` at every named point of a worker's way, then a restart: equal to the oracle, each kill seen to happen."""

import asyncio
import signal
from pathlib import Path

import pytest

from pipeline.worker.failpoints import FAILPOINTS
from tests.broker.bench import DEADLINE, Bench, run
from tests.faults.points import killed_at

pytestmark = pytest.mark.broker

ANONYMIZE = ("mending", "mended", "outputs:2", "outputs-written:2", "state-written:2", "commit", "committed")
AGGREGATE = (
    "mending",
    "mended",
    "corrections:2",
    "corrections-written:2",
    "state:2",
    "state-written:2",
    "emission:2",
    "emission-drawn:2",
    "emission-written:2",
    "commit",
    "committed",
)
POINTS = [("anonymize", point) for point in ANONYMIZE] + [("aggregate", point) for point in AGGREGATE]


@pytest.mark.requirement("T13")
@pytest.mark.parametrize(("kind", "point"), POINTS)
def test_a_kill_at_the_point_changes_no_figure(
    brokers: str, prefix: str, tmp_path: Path, kind: str, point: str
) -> None:
    async def scenario(bench: Bench) -> None:
        for each in ("anonymize", "aggregate"):
            bench.start(each, variables=killed_at(point) if each == kind else None)
        doomed = next(worker for worker in bench.workers if worker.kind == kind)
        feeding = asyncio.create_task(_feed_slowly(bench))
        assert await asyncio.to_thread(doomed.process.wait, DEADLINE) == -signal.SIGKILL
        bench.start(kind)
        await feeding
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _feed_slowly(bench: Bench) -> None:
    """In several goes, each when the last has got to the sink or a worker is gone, so that there are many chunks."""
    for seed in range(6):
        await bench.feed(seed, 300)
        loop = asyncio.get_running_loop()
        until = loop.time() + 1.5
        while loop.time() < until and all(worker.process.poll() is None for worker in bench.workers):
            await asyncio.sleep(0.05)


def test_a_recovery_that_is_killed_again_and_again_ends_equal(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(1, 2000)
        await bench.equal()
        for worker in pair:
            worker.process.kill()
        await bench.feed(2, 500)
        for point in ("mending", "mending:3", "mended"):
            for kind in ("anonymize", "aggregate"):
                doomed = bench.start(kind, variables=killed_at(point))
                assert await asyncio.to_thread(doomed.process.wait, DEADLINE) == -signal.SIGKILL
        bench.start("anonymize")
        bench.start("aggregate")
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_every_point_is_killed_at() -> None:
    assert {point.partition(":")[0] for _, point in POINTS} == set(FAILPOINTS)
