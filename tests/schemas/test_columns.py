"""Columns of numbers: both forms write the same bytes and read what the library wrote, and nothing else."""

from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.columns import column, pack, pack_in_python, unpack, unpack_in_python
from schemas.wire.native import pack_column, unpack_column

EDGES = [0, 1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**31, 2**32 - 1, 2**32, 2**63 - 1]
EDGES += [-1, -32, -33, -128, -129, -(2**15), -(2**15) - 1, -(2**31), -(2**31) - 1, -(2**63)]
NUMBERS = st.lists(st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1), max_size=40)
NEEDS_COMPILER = pytest.mark.skipif(pack_column is None, reason="the compiled part is not built: there was no compiler")


@given(NUMBERS)
def test_a_column_is_read_as_it_was_written(numbers: list[int]) -> None:
    held = column(numbers)
    assert pack(held) == pack_in_python(held) == msgspec.msgpack.encode(numbers)
    assert unpack(pack(held)) == unpack_in_python(pack(held)) == held


@given(st.lists(st.integers(-4, 9), max_size=6), st.integers(-4, 9), st.integers(-4, 9))
def test_a_number_out_of_range_is_refused_by_both(numbers: list[int], least: int, most: int) -> None:
    data = pack(column(numbers))
    for read in (unpack, unpack_in_python):
        if all(least <= number <= most for number in numbers):
            assert read(data, least, most) == column(numbers)
        else:
            with pytest.raises(msgspec.ValidationError, match="no column of such numbers"):
                read(data, least, most)


@pytest.mark.parametrize("count", [15, 16, 2**16 - 1, 2**16, 70_000])
def test_heads_of_every_length(count: int) -> None:
    held = column(at % 300 - 40 for at in range(count))
    assert pack(held) == pack_in_python(held)
    assert unpack(pack(held)) == held


def test_numbers_that_are_not_in_their_shortest_form_are_read_too() -> None:
    for number in (b"\xcc\x05", b"\xcd\x00\x05", b"\xce\0\0\0\x05", b"\xd0\x05", b"\xd3\0\0\0\0\0\0\0\x05"):
        assert unpack(b"\x91" + number) == unpack_in_python(b"\x91" + number) == column([5])


@given(st.binary(max_size=24) | st.builds(lambda held, cut: pack(column(held))[:-cut], NUMBERS, st.integers(1, 5)))
def test_what_is_no_column_is_refused_by_both(data: bytes) -> None:
    found = []
    for read in (unpack, unpack_in_python):
        try:
            found.append(read(data))
        except msgspec.MsgspecError:
            found.append(None)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x91", b"\x92\x01", b"\x91\x01\x01", b"\x91\xa1a", b"\x91\xcf" + b"\xff" * 8, b"\xdd\xff\xff\xff\xff"],
)
def test_broken_columns_are_told(data: bytes) -> None:
    for read in (unpack, unpack_in_python):
        with pytest.raises(msgspec.MsgspecError):
            read(data)


@NEEDS_COMPILER
def test_the_compiled_form_asks_for_numbers_of_64_bits() -> None:
    assert pack_column is not None
    assert unpack_column is not None
    for wrong in (array("i", [1]), array("d", [1.0]), array("Q", [1])):
        with pytest.raises(TypeError):
            pack_column(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        pack_column([1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no column"):
        unpack_column(b"\xc0", 0, 1)
