"""Corrections follow from the log alone: the same records however chunks are cut, repeated, recovered or split."""

import json
import random
from dataclasses import replace

import pytest

from agents.core.count import batches as batches_module
from agents.core.count import fold as count_fold
from agents.core.count.fold import AggregateFold
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.corrections import compare_corrections
from schemas.catalogue.metrics import Kind
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from schemas.wire.clean import CleanChunk, Shape, decode_chunk
from schemas.wire.columns import column
from schemas.wire.corrections import Correction, decode_correction
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.core.world import World
from tests.meters import METERS
from tests.scenario_kit import event, message


def folded_at_once(seed: int) -> World:
    world = World(DECIDING, PARTITIONS)
    world.append(random_log(seed))
    for partition in range(PARTITIONS):
        world.anonymize(partition)
        world.aggregate(partition)
    return world


def told(world: World) -> set[tuple[int, bytes | None, bytes | None]]:
    return {(record.partition, record.key, record.value) for record in world.corrections}


def read(world: World) -> list[Correction]:
    return [decode_correction(record.value or b"") for record in world.corrections]


@pytest.mark.parametrize("seed", range(30))
def test_any_cut_and_any_repetition_tells_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = folded_at_once(seed)
    identities = [(each.id, each.revision) for each in read(whole)]
    assert len(identities) == len({*identities}) > 20
    choose = random.Random(seed)
    limit = choose.choice([1, 10_000, batches_module.BATCH_COST])
    monkeypatch.setattr(batches_module, "BATCH_COST", limit)
    monkeypatch.setattr(count_fold, "BATCH_COST", limit)
    world = World(DECIDING, PARTITIONS, lambda left: choose.randint(1, min(left, 60)))
    world.append(random_log(seed))
    for partition in range(PARTITIONS):
        while world.first_fold(partition).entry.fence + 1 < len(world.raw[partition]):
            world.anonymize(partition, chunks=choose.randint(1, 3), lose_state=choose.random() < 0.5)
            if choose.random() < 0.4:
                world.aggregate(partition, recover_each=choose.random() < 0.5)
        world.aggregate(partition)
    assert told(world) == told(whole)
    assert len(world.corrections) == len(whole.corrections)


@pytest.mark.parametrize("seed", range(10))
def test_what_was_lost_with_a_crash_before_the_state_is_told_again_alike(seed: int) -> None:
    whole = folded_at_once(seed)
    for partition in range(PARTITIONS):
        chunks = [(at, decode_chunk(value)) for at, value in enumerate(whole.clean[partition])]
        fold = AggregateFold(DECIDING, partition)
        first = [change.record(partition) for part in fold.fold(chunks) for change in part.corrections]
        assert not [change for part in fold.fold(chunks) for change in part.corrections]
        lost = AggregateFold(DECIDING, partition)
        assert [change.record(partition) for part in lost.fold(chunks) for change in part.corrections] == first


@pytest.mark.parametrize("seed", range(10))
def test_they_begin_where_the_last_ended_and_in_raw_order(seed: int) -> None:
    values: dict[str, int] = {}
    last: dict[int, int] = {}
    for each in read(folded_at_once(seed)):
        assert each.old == values.get(each.id, each.old)
        assert each.new - each.old == each.difference
        may_fall = METERS.metrics[each.metric].kind is Kind.GAUGE
        assert each.difference > 0 or may_fall
        values[each.id] = each.new
        assert each.cause.offset >= last.get(each.cause.partition, 0)
        last[each.cause.partition] = each.cause.offset
        assert each.revision == 2 * each.cause.offset + 1


def test_nothing_is_told_while_windows_are_open() -> None:
    deciding = replace(DECIDING, grace_hour=10**12, grace_day=10**12)
    world = World(deciding, PARTITIONS)
    world.append(random_log(1))
    for partition in range(PARTITIONS):
        world.anonymize(partition)
        world.aggregate(partition)
    assert world.figures()
    assert world.corrections == []


def busy_log(seed: int) -> list[StoredRecord]:
    """Batches of one company whose events fall again and again into windows that are just closing or long closed."""
    choose = random.Random(seed)
    now, number, stored = 1793491200000, 0, []
    for offset in range(150):
        now += choose.choice([0, 60_000, 10 * 60_000, 2 * HOUR_MS])
        events = []
        for _ in range(choose.randint(1, 5)):
            number += 1
            at = instant(now - choose.choice([0, 0, HOUR_MS, HOUR_MS, DAY_MS, 2 * DAY_MS, 33 * DAY_MS]))
            if choose.random() < 0.7:
                events.append(message(number, at, user=f"u{choose.randrange(30)}"))
            else:
                told = {"application": "x", "version": choose.choice("123"), "environment": "e"}
                events.append(event(number, "app.started", at, source=f"s{choose.randrange(9)}", **told))
        stored.append(StoredRecord(0, offset, now, b"acme", json.dumps(events).encode(), ()))
    return stored


def merged(chunks: list[CleanChunk]) -> CleanChunk:
    """One chunk of all their events, larger than the first hop would cut it."""
    shapes: dict[Shape, int] = {}
    users: dict[bytes, int] = {}
    sources: dict[bytes, int] = {}
    last = chunks[-1]
    whole = CleanChunk(
        last.version, chunks[0].first, last.last, last.event_watermark, last.closing_watermark, last.digest,
        last.number,
        ["acme"], [], [], [], *(column() for _ in range(7)),
    )  # fmt: skip
    for chunk in chunks:
        whole.offsets += chunk.offsets
        whole.times += chunk.times
        whole.closings += chunk.closings
        whole.company += column([0] * len(chunk.company))
        whole.shape += column([shapes.setdefault(chunk.shapes[at], len(shapes)) for at in chunk.shape])
        whole.user += column([users.setdefault(chunk.users[at], len(users)) if at >= 0 else -1 for at in chunk.user])
        whole.source += column([sources.setdefault(chunk.sources[at], len(sources)) for at in chunk.source])
    whole.shapes, whole.users, whole.sources = [*shapes], [*users], [*sources]
    return whole


@pytest.mark.parametrize("seed", range(6))
def test_windows_that_close_within_a_chunk_and_batches_of_late_events(seed: int) -> None:
    deciding = replace(DECIDING, lateness=35 * DAY_MS, grace_hour=60_000, grace_day=HOUR_MS)
    world = World(deciding, 1)
    stored = busy_log(seed)
    world.append(stored)
    world.anonymize(0)
    world.aggregate(0)
    expected = expected_of(stored, deciding, 1)
    assert any(each.difference > 1 for each in expected.corrections.values())
    assert compare_corrections(world.corrections, expected.corrections, world.figures()) == []
    chunks = [decode_chunk(value) for value in world.clean[0]]
    assert len(chunks) > 10
    for size in (3, 10, len(chunks)):
        parts = [merged(chunks[begin : begin + size]) for begin in range(0, len(chunks), size)]
        fold = AggregateFold(deciding, 0)
        again = [change.record(0) for part in fold.fold(enumerate(parts)) for change in part.corrections]
        assert sorted(again) == sorted((record.key, record.value) for record in world.corrections)
