"""Fields that clean did not hold then are taken from raw where it is certain of which event, and else left open."""

import json
import random
from typing import Any

import pytest

from agents.core.accept.decode import decode_strictly
from agents.core.accept.fast_decode import decode
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.plan import Plan
from agents.core.replay.completing import completed, is_short, offsets_needed
from agents.core.replay.refold import Period, Refold
from agents.core.shared.records import RawRecord
from pipeline.proof.verify import compare
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.metrics import METRICS
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape, decode_chunk, encode_chunk
from schemas.wire.columns import column
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, PARTITIONS, START, random_log
from tests.core.world import PSEUDONYMS, World


def short(chunk: CleanChunk) -> CleanChunk:
    """The chunk as a release would have written it that allowed fewer fields."""
    shapes = [Shape(each.type, each.values[:1]) if each.type == "app.started" else each for each in chunk.shapes]
    numbers = {shape: number for number, shape in enumerate(dict.fromkeys(shapes))}
    packed = decode_chunk(encode_chunk(chunk))
    packed.shapes, packed.shape = list(numbers), column(numbers[shapes[each]] for each in chunk.shape)
    return packed


def world_of(seed: int) -> World:
    world = World(DECIDING, PARTITIONS, lambda left: min(left, 9))
    world.append(random_log(seed, 300))
    for partition in range(PARTITIONS):
        world.anonymize(partition)
        world.clean[partition] = [encode_chunk(short(decode_chunk(value))) for value in world.clean[partition]]
    return world


@pytest.mark.parametrize("seed", range(12))
def test_what_raw_tells_makes_the_figures_of_the_oracle_and_the_rest_is_left_out(seed: int) -> None:
    world, choose = world_of(seed), random.Random(seed)
    expected = expected_of(random_log(seed, 300), DECIDING, PARTITIONS).figures
    period = Period(START, None, tuple(METRICS))
    wanted = {key: each for key, each in expected.items() if period.span(key, DECIDING) is not None}
    told: dict[str, dict[str, Any]] = {}
    left_out = 0
    for partition in range(PARTITIONS):
        refold = Refold(DECIDING, partition, period)
        raw = {record.offset: record for record in world.raw[partition]}
        lost = set(choose.sample(sorted(raw), 3)) if seed % 2 else set()
        for offset, value in enumerate(world.clean[partition]):
            chunk = decode_chunk(value)
            left = {at: raw[at] for at in offsets_needed(chunk, refold.entry.fence, BUILT_IN.types) if at not in lost}
            for each in refold.fold(offset, completed(chunk, left, PSEUDONYMS, BUILT_IN)):
                told[each.figure.id.decode()] = json.loads(each.record)
        told |= {each.figure.id.decode(): json.loads(each.record) for each in refold.rest()}
        left_out += refold.left_out
    assert compare(told, {key: each for key, each in wanted.items() if key in told}) == []
    missing = {key.split("|")[1] for key in wanted.keys() - told.keys()}
    assert missing <= {"installations"}
    assert bool(missing) == bool(left_out)
    if not seed % 2:
        assert len(wanted) - len(told) <= left_out


def test_without_raw_what_needs_the_fields_is_left_out_and_all_else_is_told() -> None:
    world, period = world_of(4), Period(START, None, tuple(METRICS))
    expected = expected_of(random_log(4, 300), DECIDING, PARTITIONS).figures
    told = set()
    for partition in range(PARTITIONS):
        refold = Refold(DECIDING, partition, period)
        for offset, value in enumerate(world.clean[partition]):
            told |= {each.figure.id.decode() for each in refold.fold(offset, decode_chunk(value))}
        told |= {each.figure.id.decode() for each in refold.rest()}
    wanted = {key for key in expected if period.span(key, DECIDING) is not None}
    assert told == {key for key in wanted if "|installations|" not in key}
    assert any("|active_installations|" in key for key in told)


def event(**more: Any) -> dict[str, Any]:
    data = {"application": "web", "version": "1", "environment": "prod"} | more.pop("data", {})
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "app.started",
        "time": "2026-11-01T10:00:00Z",
        "company": "acme",
        "data": data,
    } | more


def completed_shapes(events: list[dict[str, Any]], counted: int, *, keys: Pseudonyms = PSEUDONYMS) -> list[Any]:
    """The values of ``counted`` events that look like the first of a batch, filled in from it."""
    record = RawRecord(7, 0, b"acme", json.dumps(events).encode())
    first = decode(record).events[0] if decode(record).events else decode_strictly(record).events[0]
    source = PSEUDONYMS.source("acme", first.source)
    times, zeros = [first.time] * counted, [0] * counted
    offsets, nobody = [7] * counted, [-1] * counted
    shape = Shape("app.started", first.values[:1])
    columns = map(column, (offsets, times, nobody, zeros, zeros, nobody, zeros))
    chunk = CleanChunk(CLEAN_VERSION, 0, 7, 0, 0, "d", 0, ["acme"], [shape], [], [bytes(source)], *columns)
    filled = completed(chunk, {7: record}, keys, BUILT_IN)
    return [filled.shapes[each].values for each in filled.shape]


def test_a_batch_is_matched_only_where_it_is_certain() -> None:
    one, two = event(), event(id="2", data={"version": "2"})
    full = [("web", "1", "prod"), ("web", "2", "prod")]
    assert completed_shapes([one, two], 2) == full
    assert completed_shapes([one, two], 1) == [("web",)], "either may have counted"
    assert completed_shapes([one, event(id="2")], 1) == full[:1], "both say the same"
    assert completed_shapes([one, event(data={"version": "2"})], 1) == full[:1], "delivered again: the first decides"
    assert completed_shapes([one, two, one], 2) == full
    assert completed_shapes([one], 1, keys=Pseudonyms(bytes(32))) == [("web",)], "another key knows no source"
    assert completed_shapes([one, event(id="2", time="2026-11-01T10:00:01Z", data={"version": "2"})], 1) == full[:1]


def test_an_event_that_lacks_a_field_of_today_may_be_the_one_that_counted() -> None:
    lacking = event(id="2")
    del lacking["data"]["environment"]
    assert completed_shapes([event(), lacking], 1) == [("web",)]


def test_a_short_shape_tells_what_it_can() -> None:
    shape = Shape("app.started", ("web",))
    assert is_short(shape, BUILT_IN.types)
    plan = Plan(BUILT_IN).of(shape)
    assert plan.incomplete == {"installations"}
    assert [target.metric.name for target in plan.sources.pairs] == ["active_installations"]
    assert Plan(BUILT_IN).of(Shape("app.started", ("web", "1", "prod"))).incomplete == frozenset()
    assert not is_short(Shape("chat.created", ()), BUILT_IN.types)
    passive = Plan(BUILT_IN).of(Shape("message.sent", ()))
    assert not passive.active
    assert passive.incomplete == {"users", "dau", "wau", "mau", "user_messages", "assistant_messages"}
    with pytest.raises(ValueError):
        Plan(BUILT_IN).of(Shape("chat.created", ("more",)))
