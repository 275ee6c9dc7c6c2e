"""Records of batches, in both forms: what is well is as the client reads it, and comes in parts of bounded size."""

from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from agents.core.native import Records
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Batch, Block
from pipeline.kafka.block_records import MOST_HEADERS
from pipeline.kafka.parts import AT_ONCE, parts
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.kafka.parts_kit import FORMS, GOOD, NOON, ROWS, batch_of, both, built_of, read, unreadable
from tests.kafka_batches import CODECS, record, varint
from tests.kafka_batches import Batch as Built


@given(ROWS, st.sampled_from(list(CODECS.values())), st.booleans(), st.integers(0, 2**40), st.integers(0, 3))
def test_what_is_well_is_as_the_client_reads_it(
    rows: list[Any], codec: int, stamped: bool, base: int, gap: int
) -> None:
    built = built_of(rows, codec, base=base, last=len(rows) - 1 + gap)
    data = built.appended(base, NOON + 5) if stamped else built.data()
    theirs = MemoryRecords(data).next_batch()
    wanted = [RawRecord(each.offset, each.timestamp, each.key, each.value, tuple(each.headers)) for each in theirs]
    assert both(batch_of(data, end=2**41)) == wanted


@given(ROWS, st.integers(0, 25))
def test_records_before_the_position_are_left_out(rows: list[Any], least: int) -> None:
    found = both(batch_of(built_of(rows, 0).data(), least))
    assert [each.offset for each in found] == [*range(least, len(rows))]


# ---- parts


def tiny(number: int, last: bytes | None = None) -> Built:
    rows = [record(delta) for delta in range(number - (last is not None))]
    return Built([*rows, last] if last is not None else rows, CODECS["zstd"])


@pytest.mark.parametrize("is_compiled", FORMS)
def test_many_records_come_in_parts_once_all_of_their_batch_was_looked_at(is_compiled: bool) -> None:
    number = 5 * AT_ONCE + 7
    found = [*parts([batch_of(tiny(number).appended(40, NOON))], RawRecord, is_compiled=is_compiled)]
    sizes = [len(part) for part in found if part]
    assert sizes == [AT_ONCE] * 5 + [7]
    assert [each.offset for part in found for each in part] == [*range(40, 40 + number)]
    wrong = tiny(number, record(number, emitted_delta=varint(number)))
    assert read([batch_of(wrong.appended(40, NOON))], is_compiled=is_compiled) == [unreadable(40, 39 + number)]


@pytest.mark.parametrize("is_compiled", FORMS)
def test_many_records_are_left_out_before_the_position(is_compiled: bool) -> None:
    batch = batch_of(tiny(3 * AT_ONCE).appended(0, NOON), 2 * AT_ONCE + 5)
    assert len(read([batch], is_compiled=is_compiled)) == AT_ONCE - 5


@pytest.mark.parametrize("is_compiled", FORMS)
def test_small_batches_come_together_and_each_is_decompressed_when_it_is_asked_for(
    is_compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    block = Batch.block
    monkeypatch.setattr(Batch, "block", lambda self: opened.append(self.stored.base) or block(self))
    small = [batch_of(Built([GOOD], 3).appended(offset, NOON)) for offset in range(100)]
    large = [
        batch_of(Built([record(0, b"k", bytes(3 << 20))], CODECS["gzip"]).appended(offset, NOON))
        for offset in range(100, 104)
    ]
    found = filter(None, parts([*small, *large], RawRecord, is_compiled=is_compiled))
    assert opened == []
    assert len(next(found)) == 101
    assert len(opened) <= 102
    assert [len(part) for part in found] == [1, 1, 1]


def test_without_a_compiler_headers_weigh_what_they_take() -> None:
    heavy = Built([record(delta, headers=[(b"", b"")] * 10_000) for delta in range(20)], CODECS["zstd"])
    found = [*parts([batch_of(heavy.appended(0, NOON))], RawRecord, is_compiled=False)]
    assert max(sum(len(each.headers) for each in part) for part in found) <= 40_000
    assert sum(map(len, found)) == 20


# ---- the sequence


def records(offsets: Iterable[int]) -> "Records[RawRecord]":
    payload = record(0, b"k", b"v" * 10)
    return Records([Block(payload, 0, len(payload), 1, each, each, 0, 0, NOON, True) for each in offsets], RawRecord)


@NEEDS_COMPILER
def test_a_part_of_records_is_what_a_part_of_a_list_is() -> None:
    whole, offsets = records([3, 5, 8, 9]), [3, 5, 8, 9]
    assert [each.offset for each in whole] == offsets
    for begin in range(-6, 6):
        for end in range(-6, 6):
            part = whole[begin:end]
            assert [each.offset for each in part] == offsets[begin:end]
            assert [each.offset for each in part[1:]] == offsets[begin:end][1:]
    assert whole[-1].offset == 9
    for index in (4, -5):
        with pytest.raises(IndexError):
            whole[index]
    for offset in range(12):
        assert [each.offset for each in whole.after(offset)] == [each for each in offsets if each > offset]


@NEEDS_COMPILER
def test_as_many_records_fit_as_have_room() -> None:
    whole = records(range(4))
    assert [whole.fitting(10, size, 5) for size in (0, 10, 11, 21, 22, 43, 44, 1000)] == [1, 1, 1, 1, 2, 3, 4, 4]
    assert (whole.fitting(2, 1000, 5), whole[:0].fitting(5, 100, 5)) == (2, 0)
    (headed,) = [
        *parts([batch_of(Built([record(at, None, None, [(b"", b"")] * 3) for at in range(9)]).data())], RawRecord)
    ]
    assert isinstance(headed, Records)
    assert headed.fitting(9, 60, 10) == 2


@NEEDS_COMPILER
def test_its_limits_are_the_same_in_both_forms() -> None:
    from agents.core.native import fast_path  # noqa: PLC0415 - it may not be built

    assert fast_path.MOST_HEADERS == MOST_HEADERS
