"""The record of clean: read as it was written, refused in any other form, and narrowed to some of its events."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.times import LAST_TIME
from schemas.wire.clean import (
    CLEAN_VERSION,
    CleanChunk,
    OtherVersionError,
    Shape,
    decode_chunk,
    encode_chunk,
    measures_begin,
    narrowed,
)
from schemas.wire.columns import Column, column, pack
from schemas.wire.forms import UnknownFormError

NUMBER = st.integers(-(2**63), 2**63 - 1)
SHAPES = st.lists(st.builds(Shape, st.text(max_size=5), st.tuples(st.text(max_size=3)), st.integers(0, 3)), max_size=4)
COLUMNS = ("offsets", "times", "closings", "company", "shape", "user", "source")
FIELDS = len(msgspec.structs.fields(CleanChunk))


@st.composite
def chunks(draw: st.DrawFn) -> CleanChunk:
    shapes = draw(SHAPES)
    of = draw(st.lists(st.integers(0, len(shapes) - 1), max_size=6)) if shapes else []
    count = len(of)
    companies = draw(st.lists(st.text(max_size=5), min_size=1, max_size=3))
    users, sources = (draw(st.lists(st.binary(max_size=16), min_size=1, max_size=3)) for _ in range(2))
    within = {
        "times": st.integers(0, LAST_TIME),
        "company": st.integers(0, len(companies) - 1),
        "user": st.integers(-1, len(users) - 1),
        "source": st.integers(0, len(sources) - 1),
    }
    columns = {
        name: column(draw(st.lists(within.get(name, NUMBER), min_size=count, max_size=count))) for name in COLUMNS
    }
    width = sum(shapes[shape].measures for shape in of)
    return CleanChunk(
        CLEAN_VERSION,
        *(draw(NUMBER) for _ in range(4)),
        draw(st.text(max_size=5)),
        draw(NUMBER),
        companies,
        shapes,
        users,
        sources,
        **columns | {"shape": column(of)},
        measures=column(draw(st.lists(NUMBER, min_size=width, max_size=width))),
    )


def example() -> CleanChunk:
    """Three events; the second has two measures, the third one."""
    shapes = [Shape("chat.created", ("a",)), Shape("file.uploaded", (), 2), Shape("call.ended", ("x", "y"), 1)]
    return CleanChunk(
        CLEAN_VERSION, 5, 9, 70, 60, "a-b", 2, ["acme", "beta"], shapes, [b"u" * 16], [b"s" * 16, b"t" * 16],
        *map(column, ([5, 6, 9], [50, 51, 52], [-1, -1, 40], [0, 1, 0], [0, 1, 2], [-1, 0, 0], [0, 1, 1], [7, 8, -1])),
    )  # fmt: skip


DATA = encode_chunk(example())


def fields() -> list[object]:
    return list(msgspec.msgpack.decode(DATA))


def refused(data: bytes) -> UnknownFormError:
    with pytest.raises(UnknownFormError) as caught:
        decode_chunk(data)
    assert "clean chunk" in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


@settings(max_examples=60, deadline=None)
@given(chunks())
def test_a_chunk_is_read_as_it_was_written(chunk: CleanChunk) -> None:
    data = encode_chunk(chunk)
    assert decode_chunk(data) == chunk
    assert encode_chunk(decode_chunk(data)) == data
    written = msgspec.msgpack.decode(data)
    assert len(written) == FIELDS
    assert written[-8:] == [list(getattr(chunk, name)) for name in (*COLUMNS, "measures")]


@settings(max_examples=60, deadline=None)
@given(chunks(), st.data())
def test_a_narrowed_chunk_holds_the_events_that_are_kept_and_their_measures(
    chunk: CleanChunk, data: st.DataObject
) -> None:
    count = len(chunk.offsets)
    kept = sorted(data.draw(st.sets(st.sampled_from(range(count))))) if count else []
    found = narrowed(chunk, kept)
    assert events(found) == [events(chunk)[at] for at in kept]
    assert decode_chunk(encode_chunk(found)) == found
    assert (found.first, found.last, found.shapes) == (chunk.first, chunk.last, chunk.shapes)
    assert narrowed(chunk, range(count)) == chunk


def events(chunk: CleanChunk) -> list[tuple[object, ...]]:
    """Each event by itself, with its measures."""
    found, left = [], list(chunk.measures)
    for at in range(len(chunk.offsets)):
        width = chunk.shapes[chunk.shape[at]].measures
        found.append((*(getattr(chunk, name)[at] for name in COLUMNS), tuple(left[:width])))
        del left[:width]
    assert not left
    return found


def test_where_measures_begin_is_told_for_each_event_and_the_end() -> None:
    assert list(measures_begin(example())) == [0, 0, 2, 3]
    none = msgspec.structs.replace(example(), shapes=[Shape("chat.created", ("a",))] * 3, measures=column())
    assert list(measures_begin(none)) == []
    assert decode_chunk(encode_chunk(none)) == none


@pytest.mark.parametrize("at", range(FIELDS))
def test_a_field_of_another_form_is_refused(at: int) -> None:
    for wrong in (None, 1.5, {}, "x", b"x", [[]], [1.5], ["x", 1], True):
        told = fields()
        if wrong == "x" and isinstance(told[at], str):
            continue
        told[at] = wrong
        assert refused(msgspec.msgpack.encode(told)).version is None


@pytest.mark.parametrize("count", [*range(FIELDS - 1), FIELDS + 1])
def test_a_field_more_or_less_is_refused(count: int) -> None:
    refused(msgspec.msgpack.encode([*fields(), 1][:count]))


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told[-8].append(1),
        lambda told: told[-2].pop(),
        lambda told: told[-1].append(1),
        lambda told: told[-1].clear(),
        lambda told: told[8][1].pop(),
        lambda told: told[8][0].append(1),
        lambda told: told[-7].__setitem__(1, -1),
        lambda told: told[-7].__setitem__(1, LAST_TIME + 1),
        lambda told: told[-5].__setitem__(1, 2),
        lambda told: told[-5].__setitem__(1, -1),
        lambda told: told[-3].__setitem__(1, 1),
        lambda told: told[-3].__setitem__(1, -2),
        lambda told: told[-2].__setitem__(1, 2),
        lambda told: told[-2].__setitem__(1, -1),
        lambda told: told[-4].__setitem__(1, -1),
        lambda told: told[-4].__setitem__(1, 3),
        lambda told: told[-4].__setitem__(1, 2**40),
        lambda told: told[8].clear(),
        lambda told: told.pop(),
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused(change: Callable[[list[object]], object]) -> None:
    told = fields()
    change(told)
    assert refused(msgspec.msgpack.encode(told)).version is None


@pytest.mark.parametrize("version", [0, 1, CLEAN_VERSION + 1, 2**40, -1])
def test_another_version_is_told_by_its_number_whatever_follows(version: int) -> None:
    for data in ([version, *fields()[1:]], [version], [version, "x", None]):
        found = refused(msgspec.msgpack.encode(data))
        assert isinstance(found, OtherVersionError)
        assert found.version == version


def test_the_version_before_has_no_measures_and_none_of_its_shapes_says_how_many() -> None:
    former = [2, *fields()[1:8], [["chat.created", ["a"]]] * 3, *fields()[9:-1]]
    found = decode_chunk(msgspec.msgpack.encode(former))
    assert (found.version, found.measures) == (2, column())
    assert found.shapes == [Shape("chat.created", ("a",), 0)] * 3
    refused(msgspec.msgpack.encode([*former, []]))
    refused(msgspec.msgpack.encode([CLEAN_VERSION, *former[1:]]))


def test_a_changed_byte_is_refused_or_another_chunk_and_a_cut_one_is_refused() -> None:
    whole = decode_chunk(DATA)
    for at, was in enumerate(DATA):
        refused(DATA[:at])
        for other in {0, 1, 0x80, 0x90, 0xA1, 0xC0, 0xCF, 0xDF, 0xFF, was ^ 1, was ^ 0x80} - {was}:
            try:
                found = decode_chunk(DATA[:at] + bytes([other]) + DATA[at + 1 :])
            except UnknownFormError:
                continue
            assert found != whole, (at, other)
    refused(DATA + b"\0")


def test_a_column_beyond_64_bits_is_refused() -> None:
    packed: Column = column([5, 6, 9])
    assert DATA.count(pack(packed)) == 1
    refused(DATA.replace(pack(packed), b"\x93\x05\x06\xcf" + b"\xff" * 8))
    assert decode_chunk(DATA.replace(pack(packed), b"\x93\x05\x06\xcc\x09")) == example()
