"""Batches and records that are not as the format says, in both forms: exactly one verdict each, whatever the bytes."""

import random
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.native import IS_BUILT, Records
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Batch, Block, Head
from pipeline.kafka.block_records import MOST_HEADERS
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.kafka.parts_kit import GOOD, NOON, ROWS, appended, batch_of, both, built_of, unreadable
from tests.kafka_batches import CODECS, HEADER, Wrong, record, sealed, varint
from tests.kafka_batches import Batch as Built

# ---- the batch

SHORTEST = (b"", b"")
WRONG_BATCHES = {
    "offsets jump past the last": Built([GOOD, record(2**31 - 1, b"k", b"{}")]),
    "offsets jump by one past the last": Built([GOOD, record(2, b"k", b"{}")]),
    "an offset twice": Built([GOOD, GOOD]),
    "falling offsets": Built([record(1), record(0)]),
    "an offset below the base": Built([record(-1), GOOD]),
    "an offset of 33 bits": Built([record(0, emitted_delta=b"\x80\x80\x80\x80\x10")]),
    "an offset in six bytes": Built([record(0, emitted_delta=varint(0, 6))]),
    "a time in eleven bytes": Built([record(0, given_time=b"\x80" * 10 + b"\x01")]),
    "a time of 65 bits": Built([record(0, given_time=b"\x80" * 9 + b"\x02")]),
    "fewer records than it says": Built([GOOD], count=2, last=1),
    "more records than it says": Built([GOOD, record(1)], count=1),
    "none, and bytes": Built([GOOD], count=0, last=0),
    "a negative number of records": Built([GOOD], count=-1, last=0),
    "more records than bytes": Built([GOOD], count=2**31 - 1, last=2**31 - 2),
    "bytes left over": Built([GOOD, b"xyz"], count=1),
    "a record of no length": Built([b"\x00"]),
    "a record of a negative length": Built([record(0, length=-1)]),
    "a record longer than the batch": Built([record(0, b"k", b"{}", length=100)]),
    "a record without an offset": Built([b"\x04\x00\x00"]),
    "a record that ends within its offset": Built([b"\x06\x00\x00\x80"]),
    "a length in six bytes": Built([varint(7, 6) + GOOD[1:]]),
    "a codec that there is not": Built([GOOD], codec=5),
    "more headers than a batch may have": Built(
        [record(at, headers=[(b"", b"")] * (MOST_HEADERS // 2)) for at in range(3)]
    ),
    "so many, and none of them well": Built(
        [record(at, headers=[(b"", b"")] * (MOST_HEADERS // 2), tail=b"x") for at in range(3)]
    ),
    "more headers than that in one record": Built([record(0, headers=[SHORTEST] * (MOST_HEADERS + 1))]),
}


@pytest.mark.parametrize("name", WRONG_BATCHES)
def test_a_batch_that_is_not_as_the_format_says_is_one_verdict(name: str) -> None:
    built = WRONG_BATCHES[name]
    last = 40 + HEADER.unpack_from(built.data())[6]
    assert appended(built) == [unreadable(40, last)]
    assert both(batch_of(built.appended(40, NOON)), batch_of(Built([GOOD]).appended(last + 1, NOON)))[1:] == [
        RawRecord(last + 1, NOON, b"acme", b"{}")
    ]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("name", ["an offset twice", "bytes left over", "fewer records than it says"])
def test_so_it_is_compressed(name: str, codec: str) -> None:
    wrong = WRONG_BATCHES[name]
    built = Built(wrong.records, CODECS[codec], count=wrong.count, last=wrong.last)
    assert appended(built) == [unreadable(40, 40 + HEADER.unpack_from(built.data())[6])]


@pytest.mark.parametrize(
    ("built", "end", "wanted"),
    [
        (Built([GOOD], last=5), 44, unreadable(40, 43)),
        (Built([GOOD], last=2**31 - 1), 41, unreadable(40, 40)),
        (Built([GOOD], last=-1), 44, unreadable(40, 40)),
        (Built([GOOD], last=-(2**31)), 44, unreadable(40, 40)),
    ],
)
def test_no_verdict_passes_what_is_in_the_log(built: Built, end: int, wanted: RawRecord) -> None:
    assert appended(built, end=end) == [wanted]


def test_a_batch_read_from_its_middle_is_a_verdict_from_there() -> None:
    built = Built([GOOD, GOOD, GOOD])
    assert appended(built, least=41) == [unreadable(41, 42)]
    assert both(Batch.of(Head(2**63 - 1, 2, 0, 0, 2**31 - 1, 0, NOON, -1, 1), bytes(40), 2**63 - 1, 2**63 - 1, 0)) == [
        unreadable(2**63 - 1, 2**63 - 1)
    ]


@pytest.mark.parametrize("magic", [0, 1, 3, -1])
def test_other_formats_are_a_verdict_without_a_time(magic: int) -> None:
    assert both(batch_of(Built([GOOD], base=40, magic=magic).data())) == [RawRecord(40, 0, None, None, (), 40)]


def test_a_sum_that_is_wrong_is_no_verdict() -> None:
    data = bytearray(Built([GOOD]).data())
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        batch_of(bytes(data))
    assert batch_of(sealed(data)).stored.records == 1


# ---- one record

WRONG_RECORDS = {
    "a key of length -2": record(1, None, b"{}", key_length=-2),
    "a value of length -2": record(1, b"k", None, value_length=-2),
    "a key longer than the record": record(1, b"k", b"{}", key_length=99),
    "a value longer than the record": record(1, b"k", b"{}", value_length=99),
    "a value shorter than its bytes": record(1, b"k", b"abcdefgh", value_length=2),
    "a name that is not UTF-8": record(1, b"k", b"{}", [(b"\xff", b"v")]),
    "a name of half a character": record(1, b"k", b"{}", [(b"\xc3", b"v")]),
    "a name of a surrogate": record(1, b"k", b"{}", [(b"\xed\xa0\x80", b"v")]),
    "no name": record(1, b"k", b"{}", [(b"", b"v")], name_length=-1),
    "a name longer than the record": record(1, b"k", b"{}", [(b"a", b"v")], name_length=50),
    "a header of length -2": record(1, b"k", b"{}", [(b"a", None)], header_length=-2),
    "fewer headers than it says": record(1, b"k", b"{}", [(b"a", b"v")], header_count=3),
    "more headers than it says": record(1, b"k", b"{}", [(b"a", b"v")], header_count=0),
    "a negative number of headers": record(1, b"k", b"{}", header_count=-1),
    "bytes behind its headers": record(1, b"k", b"{}", tail=b"xyz"),
    "a key length of 33 bits": varint(9) + b"\x00\x00\x02\x80\x80\x80\x80\x10\x00",
    "nothing but an offset": b"\x06\x00\x00\x02",
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize("name", WRONG_RECORDS)
def test_a_record_that_is_wrong_inside_is_a_verdict_alone(name: str, codec: int) -> None:
    built = Built([GOOD, WRONG_RECORDS[name], record(2, b"k", b"[]")], codec)
    good = [RawRecord(40, NOON, b"acme", b"{}"), RawRecord(42, NOON, b"k", b"[]")]
    assert appended(built) == [good[0], unreadable(41, 41), good[1]]


def test_attributes_of_a_record_say_nothing_and_headers_stay_as_they_are() -> None:
    headers = [(b"a", b"1"), (b"", None), (b"a", b""), ("é".encode(), b"\xff")]
    (found,) = appended(Built([record(0, b"k", b"v", headers, attributes=0x9F)]))
    assert found == RawRecord(40, NOON, b"k", b"v", (("a", b"1"), ("", None), ("a", b""), ("é", b"\xff")))
    assert len(appended(Built([record(0, headers=[(b"", b"")] * MOST_HEADERS)]))[0].headers) == MOST_HEADERS


def test_times_past_64_bits_are_a_verdict_where_they_count() -> None:
    built = Built([record(0, time=2**63 - 1), record(1)], first_time=NOON, greatest=NOON)
    assert both(batch_of(built.data())) == [unreadable(0, 0), RawRecord(1, NOON, None, None)]
    assert [each.unreadable_to for each in appended(built)] == [None, None]


# ---- whatever bytes

MUTATED = st.tuples(
    ROWS, st.sampled_from([0, 0, 0, *CODECS.values()]), st.integers(0, 2**32), st.integers(1, 4), st.integers(0, 3)
)


@settings(max_examples=600, deadline=None)
@given(MUTATED, st.integers(30, 60), st.integers(41, 80))
def test_any_bytes_come_to_the_same_in_both_forms_and_within_the_log(drawn: Any, least: int, end: int) -> None:
    rows, codec, seed, edits, cut = drawn
    rng = random.Random(seed)
    data = Wrong(rng).changed(built_of(rows, codec).appended(40, NOON), edits, cut)
    batch = batch_of(data, least, max(end, least + 1))
    found = both(batch)
    offsets = [each.offset for each in found]
    assert offsets == sorted(set(offsets))
    assert all(least <= each.offset <= each.last <= batch.stored.last for each in found)
    assert batch.stored.last < max(end, least + 1) or batch.stored.last < least


@given(st.binary(max_size=80), st.integers(0, 90), st.integers(0, 90), st.integers(-2, 30), st.integers(0, 50))
def test_any_bytes_are_read_as_a_block(data: bytes, begin: int, end: int, number: int, last: int) -> None:
    begin, end = sorted((min(begin, len(data)), min(end, len(data))))
    block = Block(data, begin, end, number, 0, last, 0, NOON, NOON, False)
    found = both(Batch(0, block, 0))
    if IS_BUILT:
        assert [*Records([block], RawRecord)] == found


@NEEDS_COMPILER
@pytest.mark.parametrize("change", [{"begin": -1}, {"begin": 99}, {"end": 99}, {"base": -1}, {"base": 9}])
def test_a_block_outside_its_bytes_is_no_block(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="outside"):
        Records([Block(GOOD, 0, len(GOOD), 1, 0, 0, 0, 0, 0, True)._replace(**change)], RawRecord)
