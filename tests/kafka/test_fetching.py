"""What a fetch hands over: batches in order without markers and what was aborted, never past the log's end."""

import struct
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from agents.core.shared.records import RawRecord
from pipeline.errors import StartupError
from pipeline.kafka.parts import parts
from pipeline.kafka.patches.fetching import BatchConsumer, FetchedBatches, WholeBatches
from pipeline.kafka.trusted import admitted
from tests.kafka_batches import Batch, record

TP = TopicPartition("raw", 0)
NOON = 1793527200000
TRANSACTION, CONTROL = 0x10, 0x20
Aborted = Iterable[tuple[int, int]]


def marker(base: int, producer: int, *, aborts: bool) -> bytes:
    key = struct.pack(">hh", 0, 0 if aborts else 1)
    rows = [record(0, key, bytes(6))]
    return Batch(rows, attributes=CONTROL | TRANSACTION, producer=producer).appended(base, NOON)


def batch(base: int, number: int, producer: int = -1, codec: int = 0, gap: int = 0) -> bytes:
    rows = [record(delta, b"acme", b"{}") for delta in range(number)]
    attributes = TRANSACTION if producer >= 0 else 0
    return Batch(rows, codec, attributes=attributes, producer=producer, last=number - 1 + gap).appended(base, NOON)


def fetched(data: bytes, aborted: Aborted, start: int, end: int = 1 << 40, level: int = READ_COMMITTED) -> Any:
    assignment = SimpleNamespace(state_value=lambda _tp: SimpleNamespace(highwater=end))
    return FetchedBatches(assignment, TP, WholeBatches(data), list(aborted), start, None, None, True, level)


def read(found: Any) -> tuple[list[RawRecord], int]:
    return [each for part in parts([*found], RawRecord) for each in part], found.next_fetch_offset


def by_the_client(data: bytes, aborted: Aborted, start: int, level: int) -> tuple[list[RawRecord], int]:
    found = PartitionRecords(TP, MemoryRecords(data), list(aborted), start, None, None, True, level)
    rows = [RawRecord(each.offset, each.timestamp, each.key, each.value, each.headers) for each in found]
    return rows, found.next_fetch_offset


DRAWN = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([-1, -1, 7, 8]), st.sampled_from([0, 1, 4]), st.integers(0, 2))
    | st.tuples(st.just(0), st.sampled_from([7, 8]), st.booleans(), st.just(0)),
    max_size=8,
)


@given(
    DRAWN,
    st.integers(0, 12),
    st.integers(0, 60),
    st.sets(st.tuples(st.sampled_from([7, 8]), st.integers(0, 20))),
    st.sampled_from([READ_COMMITTED, READ_UNCOMMITTED]),
)
def test_batches_of_every_kind_come_to_what_the_client_reads(
    drawn: list[tuple[int, int, Any, int]], start: int, cut: int, aborted: set[tuple[int, int]], level: int
) -> None:
    base, data = 0, b""
    for number, producer, more, gap in drawn:
        data += batch(base, number, producer, more, gap) if number else marker(base, producer, aborts=more)
        base += max(number, 1) + gap
    data = data[: max(len(data) - cut, 0)]
    if drawn:  # a fetch begins with the batch that holds the position
        start = min(start, max(drawn[0][0], 1) + drawn[0][3] - 1)
    wanted = by_the_client(data, aborted, start, level)
    assert read(fetched(data, aborted, start, level=level)) == wanted


def test_what_a_transaction_aborted_is_left_out_unreadable_or_not_and_markers_too() -> None:
    wrong = Batch([record(0), record(0)], attributes=TRANSACTION, producer=7)
    data = b"".join(
        [
            batch(0, 1),
            batch(1, 2, 7),
            wrong.appended(3, NOON),
            batch(5, 1),
            marker(6, 7, aborts=True),
            wrong.appended(7, NOON),
            marker(9, 7, aborts=False),
        ]
    )
    records, end = read(fetched(data, [(7, 1)], 0))
    assert ([(each.offset, each.unreadable_to) for each in records], end) == ([(0, None), (5, None), (7, 8)], 10)


def handed_over(position: Any, start: int, *data: bytes, aborted: Aborted = ()) -> list[tuple[int, int]]:
    """Where each batch of a fetch begins, and from where on nothing lay before it."""
    assignment = SimpleNamespace(state_value=lambda _tp: position)
    found = FetchedBatches(assignment, TP, WholeBatches(b"".join(data)), [*aborted], start, None, None, True, 1)
    return [(each.stored.base, each.since) for each in found]


def test_each_tells_from_where_on_nothing_was_left_out_that_should_have_been_handed_over() -> None:
    position = SimpleNamespace(highwater=1 << 40)
    first = handed_over(position, 0, batch(0, 3), batch(3, 2, 7), marker(5, 7, aborts=True), aborted=[(7, 3)])
    then = handed_over(position, 6, marker(6, 8, aborts=False))
    assert first == [(0, 0)]
    assert then == []
    assert handed_over(position, 7, batch(7, 1), batch(8, 1)) == [(7, 3), (8, 8)]
    assert handed_over(position, 9, batch(9, 1)) == [(9, 9)]
    assert handed_over(position, 12, batch(12, 1)) == [(12, 12)]  # sought, or what lay between was dropped
    assert handed_over(position, 4, batch(3, 2), batch(5, 1)) == [(3, 4), (5, 5)]


def test_the_position_goes_on_behind_a_batch_that_lies_and_never_past_the_log() -> None:
    lies = [Batch([record(0), record(2**31 - 1)]), Batch([record(0)], last=-5)]
    found = [read(fetched(lie.appended(40, NOON), [], 40, 42)) for lie in lies]
    assert [([(each.offset, each.last) for each in records], end) for records, end in found] == [
        ([(40, 41)], 42),
        ([(40, 40)], 41),
    ]


@pytest.mark.parametrize("last", [1, 2**31 - 1])
def test_what_ends_behind_the_end_that_the_broker_told_is_fetched_again_and_no_verdict(last: int) -> None:
    """A broker looks at the end before it reads, so what it read may go further."""
    data = batch(38, 2) + Batch([record(0), record(1)], last=last).appended(40, NOON)
    records, end = read(fetched(data, [], 38, 41))
    assert ([each.offset for each in records], end) == ([38, 39], 40)
    records, end = read(fetched(data, [], 40, 41 + last))
    assert ([(each.offset, each.unreadable_to) for each in records], end) == ([(40, None), (41, None)], 41 + last)


def test_an_empty_batch_that_the_cleaner_left_moves_the_position_alone() -> None:
    data = Batch([], count=0, last=3).appended(5, NOON) + batch(9, 1)
    records, end = read(fetched(data, [], 5))
    assert ([each.offset for each in records], end) == ([9], 10)


def test_what_was_damaged_is_an_error() -> None:
    whole = bytearray(batch(0, 1))
    whole[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(fetched(bytes(whole), [], 0))
    with pytest.raises(CorruptRecordException):
        read(fetched(batch(0, 1)[:8] + struct.pack(">i", 20) + bytes(60), [], 0))
    assert not WholeBatches(whole[:-1]).has_next()
    assert WholeBatches(whole[:-1]).size_in_bytes() == len(whole) - 1


def test_the_client_is_the_one_that_was_looked_at() -> None:
    """Its methods still find their classes where ours are put in their place."""
    assert "Fetcher" in AIOKafkaConsumer.start.__code__.co_names
    assert BatchConsumer.start.__code__ is AIOKafkaConsumer.start.__code__
    assert {"MemoryRecords", "PartitionRecords"} <= set(Fetcher._proc_fetch_request.__code__.co_names)


@pytest.mark.parametrize(
    ("topic", "kept"), [("footfall.raw.v1", [0, 1]), ("a.aggregates.v1", [0]), ("a.rejected.v1", [0])]
)
def test_what_cannot_be_read_is_judged_or_passed_over(topic: str, kept: Sequence[int]) -> None:
    records = [RawRecord(0, NOON, None, None), RawRecord(1, NOON, None, None, (), 3)]
    assert [each.offset for each in admitted(topic, 0, records)] == kept


@pytest.mark.parametrize("topic", ["a.clean.v1", "a.ledger.v1", "a.corrections.v1", "a-anonymize-state-changelog"])
def test_where_services_alone_write_it_is_refused(topic: str) -> None:
    good = [RawRecord(0, NOON, None, b"x")]
    assert admitted(topic, 2, good) == good
    with pytest.raises(
        StartupError, match=f"{topic} partition 2 offset 7 holds bytes that are no records: find out who"
    ):
        admitted(topic, 2, [*good, RawRecord(7, NOON, None, None, (), 7)])
