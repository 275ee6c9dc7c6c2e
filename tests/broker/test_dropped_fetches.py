"""Fetches that Faust drops, as it does where one rebalance follows another, are made again: nothing is passed over."""

import asyncio
import os
from pathlib import Path

import pytest

from pipeline.processes import WorkerProcess
from tests.broker.bench import PARTITIONS, Bench, run

pytestmark = pytest.mark.broker
_ROOT = Path(__file__).parents[2]
DROPPING = {"PYTHONPATH": f"{_ROOT / 'tests' / 'broker' / 'dropping'}{os.pathsep}{_ROOT}"}


def said(worker: WorkerProcess, event: str) -> int:
    """How many lines of an event there are."""
    return worker.log.read_text().count(f'"event": "{event}"')


def test_the_next_fetch_shows_that_one_was_dropped(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start(kind, variables=DROPPING) for kind in ("anonymize", "aggregate")]
        fed = 1
        for worker in pair:  # of the first hop each partition, of the second what that has written
            while said(worker, "dropped") < PARTITIONS:
                await bench.feed(fed, 50)
                fed += 1
        await bench.feed(fed, 50)
        await bench.all_equal()
        assert all(said(worker, "fetching_again") for worker in pair)
        assert all(worker.process.poll() is None for worker in pair)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_where_no_fetch_follows_the_standstill_shows_it(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        worker = bench.start("anonymize", variables=DROPPING)
        bench.start("aggregate")
        await bench.feed(1, 50)
        await bench.all_equal()
        assert said(worker, "fetching_again") == said(worker, "dropped") == PARTITIONS

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
