"""The protocol of design 2.1, run by the real owners: exact under every schedule, wrong with any rule left out."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settings import load_settings
from pipeline.worker import clean_owner, owner
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.protocol.rules import LEFT_OUT
from tests.protocol.simulation import TROUBLES, NoRestError, Simulation

RECORDS = 60
MOST_SCHEDULES = 1000
LIKELY = {"the sink is mended before anything is folded": [55], "recovery reads the sink": [98, 99]}
"""Where a rare failure was seen; a change of the code moves it, and then the search goes on."""
SETTINGS = load_settings(
    topic_prefix="model",
    partitions=PARTITIONS,
    lateness=timedelta(milliseconds=DECIDING.lateness),
    max_series=DECIDING.max_series,
    record_duplicates=True,
)


@pytest.fixture(autouse=True, scope="module")
def _small_batches() -> Iterator[None]:
    """Small ones, so that troubles fall between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean_owner, "_DRAWN", 4)
        patch.setattr(owner, "_MENDED_ROWS", 3)
        yield


def made(seed: int, *, torn: bool = False, script: dict[int, str] | None = None) -> Simulation:
    choose = random.Random(f"schedule {seed}")
    load = [
        record._replace(partition=choose.randrange(PARTITIONS)) if choose.random() < 0.1 else record
        for record in random_log(seed, RECORDS)
    ]
    return Simulation(SETTINGS, load, choose, torn, script=script)


def run(seed: int, *, torn: bool = False, script: dict[int, str] | None = None) -> list[str]:
    return asyncio.run(made(seed, torn=torn, script=script).run())


@pytest.mark.parametrize("seed", range(40))
def test_any_schedule_equals_the_oracle(seed: int) -> None:
    assert run(seed) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.dictionaries(st.integers(1, 900), st.sampled_from(TROUBLES), max_size=60))
def test_any_troubles_that_hypothesis_draws_change_no_figure(seed: int, script: dict[int, str]) -> None:
    assert run(seed, script=script) == []


@pytest.mark.parametrize("rule", LEFT_OUT)
def test_without_the_rule_some_schedule_fails(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    LEFT_OUT[rule](monkeypatch)
    assert any(_fails(seed) for seed in [*LIKELY.get(rule, ()), *range(MOST_SCHEDULES)])


def test_with_batches_that_are_torn_some_schedule_fails() -> None:
    assert any(_fails(seed, torn=True) for seed in range(MOST_SCHEDULES))


def _fails(seed: int, *, torn: bool = False) -> bool:
    """Whether the figures are wrong, or the protocol never comes to rest."""
    try:
        return bool(run(seed, torn=torn))
    except NoRestError:
        return True
