"""Every named example on the real broker, through both workers as processes: the sink equals the oracle.

The append times of an example are of its own days: while its records are published the raw topic takes the
producer's timestamps, and is set back before a worker looks at it. What the workers then append by themselves
(ticks, records moved home) bears the present, so the oracle judges the raw topic as it is in the end.
"""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.broker.topics import apply
from pipeline.settings.settings import load_settings
from tests.broker.bench import Bench
from tests.broker.old_times import publish_with_times
from tests.scenario_kit import PARTITIONS, Scenario
from tests.scenarios import SCENARIOS

pytestmark = pytest.mark.broker
AT_ONCE = 3


@pytest.fixture(scope="module")
def outcomes(brokers: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    """What went wrong with each example; some run side by side, since most of the time is start-up."""
    return asyncio.run(_all(brokers, tmp_path_factory.mktemp("scenarios")))


async def _all(brokers: str, folder: Path) -> dict[str, BaseException | None]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, scenario: Scenario) -> None:
        async with turn:
            await _run(brokers, folder / str(number), scenario)

    runs = (one(number, scenario) for number, scenario in enumerate(SCENARIOS))
    found = await asyncio.gather(*runs, return_exceptions=True)
    return {scenario.name: error for scenario, error in zip(SCENARIOS, found, strict=True)}


async def _run(brokers: str, folder: Path, scenario: Scenario) -> None:
    bench = Bench(brokers, f"s{secrets.token_hex(5)}", folder)
    max_series = scenario.deciding.max_series
    bench.settings = load_settings(
        brokers=brokers,
        topic_prefix=bench.settings.topic_prefix,
        partitions=PARTITIONS,
        max_series=max_series,
        record_duplicates=True,
    )
    assert bench.settings.deciding() == replace(scenario.deciding, partitions=PARTITIONS)
    await publish_with_times(bench, scenario.stored(copies=False))
    await apply(bench.settings)
    try:
        bench.start("anonymize", MAX_SERIES=str(max_series), RECORD_DUPLICATES="1")
        bench.start("aggregate", MAX_SERIES=str(max_series))
        expected = await bench.all_equal()
    finally:
        await bench.stop()
    assert expected.moved == scenario.moved
    if not scenario.moved:
        values = {identity: expected.figures[identity]["value"] for identity in scenario.expected}
        assert values == {identity: value for identity, (value, _) in scenario.expected.items()}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_workers_equal_the_oracle(scenario: Scenario, outcomes: dict[str, BaseException | None]) -> None:
    error = outcomes[scenario.name]
    if error is not None:
        raise error
