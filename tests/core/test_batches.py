"""Chunks of many companies are folded in parts that fit a record batch; the worst legal records fit one whole."""

import json
import random
from typing import Any

import pytest

from agents.core.accept.fold import AnonymizeFold
from agents.core.count import batches as batches_module
from agents.core.count import fold as count_fold
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord, StateWrite
from agents.core.shared.windows import NEVER
from pipeline.kafka.appender import BATCH_BYTES
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.times import instant
from schemas.wire.clean import CleanChunk
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.core.world import PSEUDONYMS, World

NOW = 1793527200000


def event(number: int, kind: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"specversion": "1.0", "id": f"{number:x}", "source": "s", "type": kind, "company": "a", "data": data}
    return told | {"time": instant(NOW - number % 34 * DAY_MS)} | more


def first_fold(records: list[RawRecord]) -> tuple[CleanChunk, list[StateWrite]]:
    fold = AnonymizeFold(Deciding(), PSEUDONYMS, topic="r", partition=0, partitions=1, digest="d")
    folded = fold.fold(records)
    assert folded.count == len(records)
    return folded.chunk, folded.writes


def weight(writes: list[StateWrite]) -> int:
    return sum(64 + len(write.key) + len(write.value or b"") for write in writes)


WORST = {
    "sources": lambda number: event(number, "chat.created", {"user": f"{number:x}"}, source=f"{number:x}"),
    "folders": lambda number: event(number, "folder.created", {"user": f"{number:x}", "kind": f"{number:x}"}),
    "long names": lambda number: event(
        number,
        "prompt.submitted",
        {"user": f"{number:x}", "assistant": f"{number:064x}", "module": "m" * 64},
        company="c" * 128,
    ),
    "installations": lambda number: event(
        number,
        "app.started",
        {"application": f"{number:x}", "version": "1", "environment": "e"},
        source=f"{number:x}",
    ),
}


@pytest.mark.parametrize("name", WORST)
def test_what_the_worst_record_comes_to_fits_one_batch(name: str) -> None:
    events: list[dict[str, Any]] = []
    size = 0
    for number in range(MAX_EVENTS):
        events.append(WORST[name](number))
        size += len(json.dumps(events[-1], separators=(",", ":"))) + 1
        if size > MAX_RECORD_BYTES - 300:
            events.pop()
            break
    value = json.dumps(events, separators=(",", ":")).encode()
    company = events[0]["company"].encode()
    chunk, writes = first_fold([RawRecord(0, NOW, company, value)])
    assert len(chunk.offsets) == len(events) > 2000
    assert weight(writes) < BATCH_BYTES
    (part,) = AggregateFold(Deciding(), 0).fold([(0, chunk)])
    assert weight(part.writes) < BATCH_BYTES


def many_companies(count: int) -> CleanChunk:
    values = [event(number, "chat.created", {"user": "u"}, company=f"c{number}") for number in range(count)]
    return first_fold(
        [
            RawRecord(number, NOW, f"c{number}".encode(), json.dumps(value).encode())
            for number, value in enumerate(values)
        ]
    )[0]


def test_a_chunk_of_many_companies_is_written_in_batches_that_fit() -> None:
    chunk = many_companies(5500)
    fold = AggregateFold(Deciding(), 0)
    fences, weights = [], []
    for part in fold.fold([(0, chunk)]):
        weights.append(weight(part.writes))
        fences.append((fold.entry.fence, fold.entry.clean_next))
    assert sum(weights) > BATCH_BYTES
    assert max(weights) < BATCH_BYTES
    assert fences == sorted(fences)
    assert [clean for _, clean in fences] == [0] * (len(fences) - 1) + [1]
    assert fences[-1][0] == chunk.last


def test_a_crash_between_the_parts_of_a_chunk_loses_and_doubles_nothing() -> None:
    chunk = many_companies(5500)
    whole = AggregateFold(Deciding(), 0)
    for _ in whole.fold([(0, chunk)]):
        pass
    state: dict[bytes, bytes] = {}
    first = AggregateFold(Deciding(), 0)
    for part in first.fold([(0, chunk)]):
        state |= {write.key: write.value for write in part.writes if write.value is not None}
        break
    again = AggregateFold(Deciding(), 0)
    again.restore(state.items())
    assert 0 < again.entry.fence < chunk.last
    for _ in again.fold([(0, chunk)]):
        pass
    assert again.entry == whole.entry
    values = []
    for fold in (again, whole):
        made = [figure for window in fold.figures.windows.values() for figure in window.figures()]
        values.append({figure.id: figure.value for figure in (*made, *fold.figures.unshown(NEVER))})
    assert values[0] == values[1]
    assert len(values[0]) > 5500 * 39


@pytest.mark.parametrize("seed", range(20))
def test_parts_of_any_size_come_to_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def figures() -> dict[str, Any]:
        world = World(DECIDING, PARTITIONS, lambda left: min(left, 30))
        world.append(random_log(seed))
        for partition in range(PARTITIONS):
            world.anonymize(partition)
            world.aggregate(partition, recover_each=seed % 2 == 0)
        return {key: {**value, "watermark": ""} for key, value in world.figures().items()}

    wanted = figures()
    limit = random.Random(seed).choice([1, 10_000, 100_000])
    monkeypatch.setattr(batches_module, "BATCH_COST", limit)
    monkeypatch.setattr(count_fold, "BATCH_COST", limit)
    assert figures() == wanted
