"""A period folded again: every figure of the oracle whose window lies in it, once, equal, and no other."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from agents.core.count.fold import GapError
from agents.core.replay.refold import Emitted, Period, Refold
from pipeline.proof.verify import compare
from pipeline.replay.request import left_out
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.metrics import METRICS
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import start_of
from schemas.wire.clean import decode_chunk
from schemas.wire.corrections import decode_correction
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, PARTITIONS, START, random_log
from tests.core.world import World
from tests.meters import METERS

ALL = tuple(METERS.metrics)


def folded(world: World, partition: int, period: Period, first: int = 0) -> Iterator[Emitted]:
    refold = Refold(world.deciding, partition, period)
    for offset, value in list(enumerate(world.clean[partition]))[first:]:
        yield from refold.fold(offset, decode_chunk(value))
    yield from refold.rest()


def world_of(seed: int, deciding: Deciding = DECIDING) -> World:
    world = World(deciding, PARTITIONS, lambda left: min(left, 9))
    world.append(random_log(seed, 400))
    for partition in range(PARTITIONS):
        world.anonymize(partition)
    return world


def needed_from(world: World, partition: int, begin: int) -> int:
    chunks = [decode_chunk(value) for value in world.clean[partition]]
    return next((at for at, chunk in enumerate(chunks) if chunk.event_watermark >= begin), len(chunks))


@pytest.mark.parametrize("seed", range(24))
def test_a_period_of_a_random_log_equals_the_oracle(seed: int) -> None:
    world = world_of(100 + seed)
    expected = expected_of(random_log(100 + seed, 400), DECIDING, PARTITIONS).figures
    begin = START + (20 + seed % 3) * DAY_MS + seed % 5 * HOUR_MS
    period = Period(begin, begin + (seed % 7 + 3) * 18 * HOUR_MS if seed % 4 else None, ALL)
    told = [
        (each.figure.id.decode(), json.loads(each.record))
        for partition in range(PARTITIONS)
        for each in folded(world, partition, period, needed_from(world, partition, begin))
    ]
    wanted = {key: figure for key, figure in expected.items() if period.span(key, DECIDING) is not None}
    assert len(wanted) >= 5
    assert compare(dict(told), wanted) == []
    assert len(told) == len(dict(told)), "a figure was told twice"


def test_what_is_told_is_bounded_in_memory_and_the_same_byte_for_byte() -> None:
    world = World(replace(DECIDING, lateness=DAY_MS, grace_day=HOUR_MS), PARTITIONS, lambda left: min(left, 3))
    world.append(random_log(5, 900))
    world.anonymize(0)
    first, period = [], Period(START, None, ALL)
    refold, most, made = Refold(world.deciding, 0, period), 0, set()
    for offset, value in enumerate(world.clean[0]):
        first += refold.fold(offset, decode_chunk(value))
        windows = refold._fold.figures.windows
        made.update(windows)
        most = max(most, len(windows))
        assert not refold._fold.figures.dirty
    early = len(first)
    first += refold.rest()
    assert early > len(first) / 2
    assert most < len(made) / 3
    again = [(each.figure.id, each.record) for each in folded(world, 0, period)]
    assert again == [(each.figure.id, each.record) for each in first]


def test_a_repeated_chunk_changes_nothing_and_a_gap_is_told() -> None:
    world, period = world_of(3), Period(START, None, ALL)
    plain = [(each.figure.id, each.record) for each in folded(world, 0, period)]
    chunks = world.clean[0]
    world.clean[0] = [*chunks[:4], *chunks[1:3], *chunks[2:]]
    assert [(each.figure.id, each.record) for each in folded(world, 0, period)] == plain
    world.clean[0] = [*chunks[:4], *chunks[5:]]
    with pytest.raises(GapError):
        list(folded(world, 0, period))


@pytest.mark.parametrize("seed", range(5, 9))
def test_a_period_is_settled_only_when_nothing_legal_can_change_it(seed: int) -> None:
    world = World(DECIDING, PARTITIONS, lambda left: min(left, 3))
    world.append(random_log(seed, 600))
    world.anonymize(0)
    for begin in range(START + 21 * DAY_MS, START + 27 * DAY_MS, DAY_MS):
        period = Period(begin, begin + DAY_MS, ALL)
        refold, early = Refold(world.deciding, 0, period), []
        for offset, value in enumerate(world.clean[0]):
            early += refold.fold(offset, decode_chunk(value))
            if refold.is_settled:
                break
        assert offset + 1 < len(world.clean[0])
        early += refold.rest()
        assert known(early) == known(folded(world, 0, period))


def known(told: Iterable[Emitted]) -> list[list[object]]:
    """All that is fixed of the records: their watermark says when they were told."""
    records = [json.loads(each.record) for each in told]
    return [[record[key] for key in ("id", "value", "status", "revision")] for record in records]


def test_windows_that_reach_out_are_named() -> None:
    begin = start_of(METRICS["users"].windows[0], START) + 9 * DAY_MS  # the 10th
    period = Period(begin, begin + 2 * DAY_MS, ("users", "mau", "chats_created"))
    told = [str(each) for each in left_out(period, BUILT_IN)]
    assert told == [
        "users, chats_created P1M of 2026-11-01: reaches before --from; --from 2026-11-01 is needed",
        "mau P30D of 2026-11-10 to 2026-11-11: reaches before --from; --from 2026-10-12 is needed",
    ]
    open_end = [str(each) for each in left_out(Period(begin, None, ("mau",)), BUILT_IN)]
    assert open_end == ["mau P30D of 2026-11-10 to 2026-12-08: reaches before --from; --from 2026-10-12 is needed"]
    past = [str(each) for each in left_out(Period(START, START + 36 * HOUR_MS, ("dau", "users")), BUILT_IN)]
    assert past == ["dau P1D of 2026-11-02: reaches past --to", "users P1M of 2026-11-01: reaches past --to"]
    assert left_out(Period(START, None, ("dau", "users")), BUILT_IN) == []


@pytest.mark.parametrize("seed", range(4))
def test_each_figure_comes_with_its_corrections(seed: int) -> None:
    world, period = world_of(seed), Period(START + 21 * DAY_MS, None, ALL)
    told = [each for partition in range(PARTITIONS) for each in folded(world, partition, period)]
    found = {}
    for partition in range(PARTITIONS):
        for each in folded(world, partition, period):
            for change in each.late:
                assert change.id == each.figure.id
                correction = decode_correction(change.record(partition)[1])
                found[correction.id, correction.revision] = correction
    expected = expected_of(random_log(seed, 400), DECIDING, PARTITIONS).corrections
    ids = {each.figure.id.decode() for each in told}
    assert found == {key: each for key, each in expected.items() if key[0] in ids}
    assert found
