"""Records of batches, in both forms: what is well is as the client reads it, what is not is exactly one verdict."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.native import IS_BUILT, Records
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Batch, Block, Head
from pipeline.kafka.block_records import MOST_HEADERS
from pipeline.kafka.parts import AT_ONCE, parts
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.kafka_batches import CODECS, HEADER, Wrong, record, sealed, varint
from tests.kafka_batches import Batch as Built

NOON = 1793527200000
GOOD = record(0, b"acme", b"{}")
FORMS = [False, pytest.param(True, marks=NEEDS_COMPILER)]


def batch_of(data: bytes, least: int = 0, end: int = 1 << 40) -> Batch:
    view = memoryview(data)
    head = Head.of(view)
    return Batch.of(head, head.check_sum(view), least, end, least)


def read(batches: Sequence[Batch], *, is_compiled: bool) -> list[RawRecord]:
    return [each for part in parts(batches, RawRecord, is_compiled=is_compiled) for each in part]


def both(*batches: Batch) -> list[RawRecord]:
    """What batches hold, after both forms were found to say the same."""
    found = read(batches, is_compiled=False)
    if IS_BUILT:
        assert read(batches, is_compiled=True) == found
    return found


def appended(built: Built, base: int = 40, least: int = 0, end: int = 1 << 40) -> list[RawRecord]:
    return both(batch_of(built.appended(base, NOON), least, end))


def unreadable(offset: int, last: int) -> RawRecord:
    return RawRecord(offset, NOON, None, None, (), last)


# ---- what is well

HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)
ROWS = st.lists(
    st.tuples(
        st.integers(-(10**6), 10**6), st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=300), HEADERS
    ),
    min_size=1,
    max_size=20,
)


def built_of(rows: Iterable[Any], codec: int, **more: Any) -> Built:
    records = [
        record(delta, key, value, [(name.encode(), content) for name, content in headers], time=time)
        for delta, (time, key, value, headers) in enumerate(rows)
    ]
    return Built(records, codec, first_time=NOON, **more)


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


# ---- what is not: the batch

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


# ---- what is not: one record

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


def test_a_sum_that_is_wrong_is_no_verdict() -> None:
    from aiokafka.errors import CorruptRecordException  # noqa: PLC0415

    data = bytearray(Built([GOOD]).data())
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        batch_of(bytes(data))
    assert batch_of(sealed(data)).stored.records == 1
