"""Every named example through both folds in memory: equal to the oracle however the logs are cut and recovered."""

import random
from pathlib import Path

import pytest

from pipeline.proof.corrections import compare_corrections
from pipeline.proof.verify import compare
from schemas.wire.rejections import Rejection
from tests.control_kit import expected as expected_of
from tests.core.stores import STORES, Make, stores
from tests.core.world import World
from tests.scenario_kit import PARTITIONS, Scenario
from tests.scenarios import SCENARIOS


def run(scenario: Scenario, seed: int | None, *, recover: bool, store: Make) -> World:
    cutter = random.Random(seed)
    cut = (lambda left: left) if seed is None else (lambda left: cutter.randint(1, left))
    world = World(scenario.deciding, PARTITIONS, cut, store)
    world.append(scenario.stored())
    for partition in range(PARTITIONS):
        world.anonymize(partition, chunks=10**9, recover_each=recover)
    for partition in range(PARTITIONS):
        world.aggregate(partition, recover_each=recover)
    return world


def bare(rejection: Rejection) -> tuple[object, ...]:
    return (
        rejection.partition,
        rejection.offset,
        rejection.reason,
        rejection.path,
        rejection.company,
        rejection.received,
    )


@pytest.mark.parametrize(
    ("seed", "recover", "kind"),
    [
        *[(seed, recover, kind) for seed in (None, 1, 2, 3) for recover in (False, True) for kind in STORES[:2]],
        (4, False, "rocksdb"),
    ],
)
@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.name) for each in SCENARIOS if not each.moved])
def test_the_folds_equal_the_oracle(
    scenario: Scenario, seed: int | None, recover: bool, kind: str, tmp_path: Path
) -> None:
    expected = expected_of(scenario.stored(), scenario.deciding, PARTITIONS, record_duplicates=True)
    with stores(kind, tmp_path) as store:
        world = run(scenario, seed, recover=recover, store=store)
    assert compare(world.figures(), expected.figures, sink_watermarks=False) == []
    assert compare_corrections(world.corrections, expected.corrections, world.figures()) == []
    assert sorted(map(bare, world.rejected)) == sorted(map(bare, expected.rejections))
    for identity, (value, status) in scenario.expected.items():
        assert (world.figures()[identity]["value"], world.figures()[identity]["status"]) == (value, status)
