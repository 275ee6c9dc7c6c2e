"""The fast path of the first fold leaves nothing else than the record-wise part alone would."""

import json
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.accept.fast_path import FastPathRun
from agents.core.accept.fold import AnonymizeFold
from agents.core.native import IS_BUILT, Records, pre_aggregate_columns
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Block
from schemas.deciding import Deciding
from schemas.wire.native import pack_column
from tests.core.events_hostile import DAMAGED, EVENT, GOOD
from tests.core.random_log import BOUNDED, DECIDING, PARTITIONS, random_log
from tests.core.world import PSEUDONYMS
from tests.kafka_batches import record
from tests.meters import EVERY_FIELD

NEEDS_COMPILER = pytest.mark.skipif(not IS_BUILT, reason="the compiled part is not built: there is no C compiler")


METERED = Deciding(catalogue=EVERY_FIELD)


def fold_of(deciding: Deciding, partition: int, partitions: int, *, compiled: bool) -> AnonymizeFold:
    fold = AnonymizeFold(
        deciding,
        PSEUDONYMS,
        topic="raw",
        partition=partition,
        partitions=partitions,
        digest="d",
        record_duplicates=True,
    )
    fold.is_compiled = compiled
    return fold


def outcome(fold: AnonymizeFold, records: Sequence[RawRecord], size: int) -> list[Any]:
    found: list[Any] = []
    while records:
        folded = fold.fold(records[:size])
        records = records[folded.count :]
        wholes = (folded.count, folded.chunk, folded.rejections, folded.moves, folded.writes, folded.outcomes)
        found.append((*wholes, folded.reasons, folded.ledger, folded.unbalanced))
    return found


def both(records: Sequence[RawRecord], deciding: Deciding, partition: int, partitions: int, size: int) -> list[Any]:
    """What the fold comes to, after it was found to be what it comes to without its fast path."""
    wanted = outcome(fold_of(deciding, partition, partitions, compiled=False), records, size)
    if IS_BUILT:
        for given_as in (records, fetched(records)):
            assert outcome(fold_of(deciding, partition, partitions, compiled=True), given_as, size) == wanted
    return wanted


def fetched(records: Sequence[RawRecord]) -> "Records[RawRecord]":
    """The records as a fetch brings them, each in a batch of its own."""
    blocks = []
    for each in records:
        headers = [(name.encode(), content) for name, content in each.headers]
        data = b"" if each.unreadable_to is not None else record(0, each.key, each.value, headers)
        last = each.offset if each.unreadable_to is None else each.unreadable_to
        blocks.append(Block(data, 0, len(data), 1 if data else -1, each.offset, last, 0, 0, each.append_time, True))
    return Records(blocks, RawRecord)


@pytest.mark.parametrize("deciding", [DECIDING, BOUNDED], ids=["", "past-every-bound"])
@pytest.mark.parametrize("seed", range(60))
def test_random_logs_come_to_the_same(seed: int, deciding: Deciding) -> None:
    for partition in range(PARTITIONS):
        records = [RawRecord(*stored[1:]) for stored in random_log(1000 + seed) if stored.partition == partition]
        both(records, deciding, partition, PARTITIONS, 1 + seed)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.builds(lambda event: json.dumps(event).encode(), EVENT) | DAMAGED, max_size=12))
def test_hostile_events_come_to_the_same(values: list[bytes]) -> None:
    records = [RawRecord(offset, 1793527200000, b"acme", value) for offset, value in enumerate(values)]
    both(records, METERED, 0, 1, 5)


@NEEDS_COMPILER
def test_most_events_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    run = FastPathRun.run

    def counted(self: Any, at: int) -> tuple[int, int]:
        reached, events = run(self, at)
        taken.append(reached - at)
        return reached, events

    monkeypatch.setattr(FastPathRun, "run", counted)
    events = [GOOD | {"id": f"{number}", "sequence": number} for number in range(100)]
    events += [GOOD | {"id": f"{number}", "source": "s2"} for number in range(100)]
    values = [json.dumps(event).encode() for event in events]
    records = [RawRecord(offset, 1793527200000, b"acme", value) for offset, value in enumerate(values)]
    (folded,) = outcome(fold_of(Deciding(), 0, 1, compiled=True), records, 1000)
    assert len(folded[1].offsets) == 200
    assert sum(taken) == 198


def test_it_is_built_where_there_is_a_compiler() -> None:
    assert (IS_BUILT and pre_aggregate_columns and pack_column) or shutil.which("cc") is None
