"""Random logs near every edge, cut, repeated and recovered at random: the folds equal the oracle."""

import random
from pathlib import Path

import pytest

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.corrections import compare_corrections
from pipeline.proof.verify import compare, last_is_highest
from schemas.deciding import Deciding
from schemas.reasons import Reason
from tests.control_kit import expected as expected_of
from tests.core.random_log import BOUNDED, DECIDING, PARTITIONS, random_log
from tests.core.stores import STORES, Make, stores
from tests.core.world import World

LOGS = [(seed, kind) for kind, seeds in zip(STORES, (40, 40, 8), strict=True) for seed in range(seeds)]


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_random_logs(seed: int, kind: str, tmp_path: Path) -> None:
    with stores(kind, tmp_path, hot=seed % 4) as store:
        equals_the_oracle(seed, store)


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_random_logs_past_every_bound(seed: int, kind: str, tmp_path: Path) -> None:
    with stores(kind, tmp_path, hot=seed % 4) as store:
        equals_the_oracle(seed + 1000, store, BOUNDED)


def equals_the_oracle(seed: int, store: Make, deciding: Deciding = DECIDING) -> None:
    stored = random_log(seed)
    expected = expected_of(stored, deciding, PARTITIONS, record_duplicates=True)
    choose = random.Random(seed)
    world = World(deciding, PARTITIONS, lambda left: choose.randint(1, min(left, 40)), store)
    world.append(stored)
    for partition in range(PARTITIONS):
        while world.first_fold(partition).entry.fence + 1 < len(world.raw[partition]):
            world.anonymize(
                partition,
                chunks=choose.randint(1, 4),
                recover_each=seed % 3 == 0,
                lose_state=seed % 2 == 0 and choose.random() < 0.5,
            )
            if choose.random() < 0.3:
                world.aggregate(partition, recover_each=seed % 4 == 0)
        world.aggregate(partition)
    assert expected.counted > 30
    assert compare(world.figures(), expected.figures, sink_watermarks=False) == []
    sunk = [StoredRecord(0, at, 0, key, value, ()) for at, (key, value) in enumerate(world.sink)]
    assert last_is_highest(sunk) == []
    assert (Reason.OVER_BOUND in expected.by_reason) == (deciding is BOUNDED)
    told = {(each.partition, each.offset, each.path, each.reason, each.company) for each in world.rejected}
    assert told == {(each.partition, each.offset, each.path, each.reason, each.company) for each in expected.rejections}
    assert len(expected.corrections) > 5
    assert compare_corrections(world.corrections, expected.corrections, world.figures()) == []
    assert len(expected.ledger) > 50
    assert world.ledger == {key: {value} for key, value in expected.ledger.items()}
