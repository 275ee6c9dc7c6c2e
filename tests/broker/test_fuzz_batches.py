"""Batches changed at random, by a seed, through the real broker; ``make fuzz-broker`` sends more."""

import asyncio
from pathlib import Path

import pytest

from tests.broker.bench import Bench, run
from tests.fuzz_batches import fuzz

pytestmark = pytest.mark.broker


def test_whatever_a_broker_takes_leaves_workers_alive_and_figures_right(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        found = await fuzz(bench, 300, 1)
        assert found.taken == found.good == 300

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
