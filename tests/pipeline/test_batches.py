"""Batches handed over whole hold what the client reads of them record by record, and leave it at the same offset."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.core.native import Records
from agents.core.records import RawRecord
from pipeline.batches import _Batches, _BlockRecords, joined
from tests.core.test_plain_run import NEEDS_COMPILER

pytestmark = NEEDS_COMPILER
TP = TopicPartition("raw", 0)
NOON = 1793527200000
ABORT = struct.pack(">hh", 0, 0)
COMMIT = struct.pack(">hh", 0, 1)
Headers = list[tuple[str, bytes | None]]
Row = tuple[int, bytes | None, bytes | None, Headers]
Transactions = Iterable[tuple[int, int]]


class Batch(NamedTuple):
    """Rows of (time after noon, key, value, headers) from offset ``base`` on; ``kind`` adds to the attributes."""

    base: int
    rows: Sequence[Row]
    compression: int = 0
    kind: int = 0
    producer: int = -1
    append_time: int | None = NOON + 5
    gap: int = 0

    def data(self) -> bytes:
        transaction = bool(self.kind & 0x10)
        builder = DefaultRecordBatchBuilder(2, self.compression, transaction, self.producer, 0, 0, 1 << 20)
        for offset, (time, key, value, headers) in enumerate(self.rows):
            assert builder.append(offset, NOON + time, key, value, headers)
        data = bytearray(builder.build())
        struct.pack_into(">q", data, 0, self.base)
        (attributes, last) = struct.unpack_from(">hi", data, 21)
        struct.pack_into(">hi", data, 21, attributes | self.kind | (8 if self.append_time else 0), last + self.gap)
        if self.append_time:
            struct.pack_into(">q", data, 35, self.append_time)
        struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
        return bytes(data)


def raw(record: Any) -> RawRecord:
    return RawRecord(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


def by_the_client(data: bytes, aborted: Transactions, start: int) -> tuple[list[RawRecord], int]:
    found = PartitionRecords(TP, MemoryRecords(data), list(aborted), start, None, None, True, READ_COMMITTED)
    return [raw(record) for record in found], found.next_fetch_offset


def by_blocks(data: bytes, aborted: Transactions, start: int) -> tuple[list[RawRecord], int]:
    found = _BlockRecords(TP, _Batches(data), list(aborted), start, None, None, True, READ_COMMITTED)
    records = [record for part in joined(list(found)) for record in part]
    return [each if isinstance(each, RawRecord) else raw(each) for each in records], found.next_fetch_offset


def same(batches: Iterable[Batch], aborted: Transactions = (), start: int = 0, cut: int = 0) -> Any:
    data = b"".join(batch.data() for batch in batches)
    data = data[: len(data) - cut]
    wanted = by_the_client(data, aborted, start)
    assert by_blocks(data, aborted, start) == wanted
    return wanted


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)
ROW = st.tuples(st.integers(0, 10**6), st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=300), HEADERS)
BATCH = st.tuples(
    st.lists(ROW, min_size=1, max_size=20),
    st.sampled_from([0, 1, 2, 3, 4]),
    st.sampled_from([0, 0, 0x10]),
    st.integers(-1, 2),
    st.sampled_from([None, NOON, NOON + 7]),
    st.integers(0, 2),
)
ABORTED = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 40)))


@given(st.lists(BATCH, max_size=5), st.integers(0, 30), st.integers(0, 40), ABORTED)
def test_batches_of_every_kind_hold_the_same(
    drawn: list[tuple[list[Row], int, int, int, int | None, int]], start: int, cut: int, aborted: set[tuple[int, int]]
) -> None:
    base, batches = 0, []
    for rows, compression, kind, producer, append_time, gap in drawn:
        batches.append(Batch(base, rows, compression, kind, producer if kind else -1, append_time, gap))
        base += len(rows) + gap
    same(batches, sorted(aborted), start, cut)


def test_what_a_transaction_aborted_is_left_out_and_markers_too() -> None:
    row: Row = (0, b"acme", b"{}", [])
    batches = [
        Batch(0, [row]),
        Batch(1, [row, row], kind=0x10, producer=7),
        Batch(3, [row]),
        Batch(4, [(0, ABORT, b"", [])], kind=0x30, producer=7),
        Batch(5, [row], kind=0x10, producer=7),
        Batch(6, [(0, COMMIT, b"", [])], kind=0x30, producer=7),
    ]
    records, end = same(batches, [(7, 1)])
    assert ([record.offset for record in records], end) == ([0, 3, 5], 7)


def test_a_batch_whose_sum_is_wrong_is_refused() -> None:
    data = bytearray(Batch(0, [(0, b"acme", b"{}", [])]).data())
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        by_blocks(bytes(data), [], 0)


@pytest.mark.parametrize("count", [0, 1, 3, 10**6, -1])
def test_a_batch_that_holds_other_than_it_says_is_refused(count: int) -> None:
    data = bytearray(Batch(0, [(0, b"acme", b"{}", [])] * 2).data())
    struct.pack_into(">i", data, 57, count)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    with pytest.raises(CorruptRecordException):
        by_blocks(bytes(data), [], 0)


@given(st.binary(max_size=60), st.integers(-1, 61), st.integers(0, 9))
def test_records_of_bytes_that_are_none_are_refused(data: bytes, begin: int, count: int) -> None:
    try:
        found = Records([(data, begin, 0, 0, 0, count, 0)], RawRecord)
    except ValueError:
        return
    assert len(found) <= count
    assert [record.append_time for record in found] == [0] * len(found)


def records(offsets: Iterable[int]) -> Records:
    payload = Batch(0, [(0, b"k", b"v" * 10, [])]).data()[61:]
    return Records([(payload, 0, offset, 0, NOON, 1, 0) for offset in offsets], RawRecord)


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


def test_as_many_records_fit_as_have_room() -> None:
    whole = records(range(4))
    assert [whole.fitting(10, size) for size in (0, 9, 10, 19, 20, 39, 40, 1000)] == [1, 1, 1, 1, 2, 3, 4, 4]
    assert (whole.fitting(2, 1000), whole[:0].fitting(5, 100)) == (2, 0)
