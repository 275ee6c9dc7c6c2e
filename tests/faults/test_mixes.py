"""Each fault alone, and a random mix; ``make faults SEEDS=…`` runs as many as one likes."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.mixes import draw_mix, run_mix
from tests.faults.troubles import SINGLE

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("name", SINGLE)
def test_the_fault_alone_changes_no_figure(name: str, tmp_path: Path) -> None:
    result = draw_mix(1, nodes=1, only=name)
    asyncio.run(run_mix(result, tmp_path))
    assert result.counted > 1000


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("name", ["brokers_bounced", "broker_crashed"])
def test_the_fault_among_three_brokers_changes_no_figure(name: str, tmp_path: Path) -> None:
    result = draw_mix(1, nodes=3, only=name)
    asyncio.run(run_mix(result, tmp_path))
    assert result.counted > 1000


@pytest.mark.requirement("T13")
def test_a_random_mix_changes_no_figure(tmp_path: Path) -> None:
    result = draw_mix(4)
    asyncio.run(run_mix(result, tmp_path))
    assert result.counted > 1000
