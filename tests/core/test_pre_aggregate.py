"""Both forms of grouping a chunk's events come to the same, which is what a plain count says."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.count.pre_aggregate import PreAggregate, pre_aggregate, pre_aggregate_in_python
from agents.core.native import IS_BUILT, pre_aggregate_columns
from schemas.limits import DAY_MS, HOUR_MS
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.wire.columns import column
from tests.core.test_fast_path import NEEDS_COMPILER

LATEST = 32_503_680_000_000  # the year 3000
ROW = st.tuples(
    st.integers(0, 40 * HOUR_MS) | st.integers(0, LATEST),
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(-1, 5),
    st.integers(0, 2),
    st.lists(st.integers(-1, 3) | st.integers(0, 10**12) | st.sampled_from([2**62, 2**63 - 1]), min_size=2, max_size=2),
)
WIDTHS = (0, 1, 2, 0, 2)
Row = tuple[int, int, int, int, int, list[int]]


def chunk_of(rows: list[Row]) -> CleanChunk:
    """Each with as many of its measures as its shape has."""
    times, company, shape, user, source, told = map(list, zip(*rows, strict=True)) if rows else ([],) * 6
    measures = [each for kind, row in zip(shape, told, strict=True) for each in row[: WIDTHS[kind % 5]]]
    names = [f"c{number}" for number in range(4)]
    shapes = [Shape("chat.created", (str(number),), width) for number, width in enumerate(WIDTHS)]
    users, sources = [bytes([number]) for number in range(6)], [bytes([number]) for number in range(3)]
    offsets = list(range(len(rows)))
    return CleanChunk(
        CLEAN_VERSION, 0, len(rows), 0, 0, "d", 0, names, shapes, users, sources,
        *map(column, (offsets, times, offsets, company, shape, user, source, measures)),
    )  # fmt: skip


@NEEDS_COMPILER
@given(st.lists(ROW, max_size=60), st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5), st.data())
def test_both_forms_come_to_the_same(rows: list[Row], active: bytes, installs: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(rows)))
    end = data.draw(st.integers(begin, len(rows)))
    chunk = chunk_of(rows)
    assert pre_aggregate(chunk, begin, end, active, installs) == pre_aggregate_in_python(
        chunk, begin, end, active, installs
    )


@pytest.mark.parametrize("form", [pre_aggregate_in_python, pytest.param(pre_aggregate, marks=NEEDS_COMPILER)])
def test_many_groups_are_counted(form: Callable[..., PreAggregate]) -> None:
    rows = [(at * 977 * HOUR_MS % LATEST, at % 4, at % 5, at % 7 - 1, at % 3, [at % 9, 1]) for at in range(5000)]
    found = form(chunk_of(rows), 100, 5000, b"\1\0\1\1\0", b"\0\0\1\0\1")
    kept = [*enumerate(rows)][100:]
    sizes = Counter((company, shape, time // HOUR_MS) for _, (time, company, shape, *_) in kept)
    assert {group[:3]: group[3] for group in found.counts} == sizes
    sums: Counter[tuple[int, int, int]] = Counter()
    for _, (time, company, shape, _, _, (first, second)) in kept:
        sums[company, shape, time // HOUR_MS] += (0, first, first + second, 0, first + second)[shape]
    told = zip(found.counts, found.sums, strict=True)
    assert {group[:3]: sum(held[::2]) for group, held in told} == {group: sums[group] for group in sizes}
    assert [rows[last][1:3] for *_, last in found.counts] == [group[:2] for group in found.counts]
    days = {
        (company, user, time // DAY_MS)
        for _, (time, company, shape, user, *_) in kept
        if user >= 0 and shape in {0, 2, 3}
    }
    assert {user[:3] for user in found.users} == days
    assert [at for *_, at in found.users] == sorted(at for *_, at in found.users)
    assert len(found.installs) == len(
        {
            (company, shape, source, time // HOUR_MS)
            for _, (time, company, shape, _, source, _) in kept
            if shape in {2, 4}
        }
    )


@pytest.mark.parametrize("form", [pre_aggregate_in_python, pytest.param(pre_aggregate, marks=NEEDS_COMPILER)])
@pytest.mark.parametrize(
    ("row", "error"),
    [
        ((0, 4, 0, 0, 0, [0, 0]), IndexError),
        ((0, -1, 0, 0, 0, [0, 0]), IndexError),
        ((0, 0, 5, 0, 0, [0, 0]), IndexError),
        ((0, 0, 0, 6, 0, [0, 0]), IndexError),
        ((0, 0, 0, -2, 0, [0, 0]), IndexError),
        ((0, 0, 0, 0, 3, [0, 0]), IndexError),
        ((-1, 0, 0, 0, 0, [0, 0]), IndexError),
        ((2**63, 0, 0, 0, 0, [0, 0]), OverflowError),
        ((2**62, 0, 0, 0, 0, [0, 0]), IndexError),
    ],
)
def test_neither_form_reads_past_its_dictionaries(
    row: Row, error: type[Exception], form: Callable[..., PreAggregate]
) -> None:
    with pytest.raises(error):
        form(chunk_of([row]), 0, 1, bytes(5), bytes(5))


def test_a_stretch_whose_sums_are_past_63_bits_is_bounded_alike() -> None:
    rows: list[Row] = [(0, 0, 1, 0, 0, [2**63 - 1, 0])] * 3
    with pytest.raises(IndexError):
        pre_aggregate(chunk_of([*rows, (0, 4, 0, 0, 0, [0, 0])]), 0, 4, bytes(5), bytes(5))


@NEEDS_COMPILER
def test_the_compiled_form_takes_no_columns_of_another_length() -> None:
    chunk = chunk_of([(0, 0, 0, 0, 0, [0, 0])])
    assert IS_BUILT
    with pytest.raises(TypeError):
        pre_aggregate(chunk, 0, 2, bytes(5), bytes(5))
    with pytest.raises(ValueError, match="shape"):
        pre_aggregate(chunk, -1, 1, bytes(5), bytes(5))
    with pytest.raises(ValueError, match="shape"):
        pre_aggregate(chunk, 0, 1, bytes(5), bytes(4))
    with pytest.raises(TypeError):
        pre_aggregate_columns(([0], [0], [0], [0], (0,), []), 0, 1, bytes(1), bytes(1), bytes(1), (1, 1, 1, 0))  # type: ignore[arg-type]


@NEEDS_COMPILER
def test_the_compiled_form_reads_no_measures_that_are_not_there() -> None:
    chunk = chunk_of([(0, 0, 2, 0, 0, [5, 6])])
    del chunk.measures[1]
    with pytest.raises(IndexError):
        pre_aggregate(chunk, 0, 1, bytes(5), bytes(5))


@NEEDS_COMPILER
def test_sums_past_63_bits_are_added_up_in_python() -> None:
    chunk = chunk_of([(0, 0, 1, 0, 0, [2**63 - 1, 0])] * 3)
    assert pre_aggregate(chunk, 0, 3, bytes(5), bytes(5)).sums == [(3 * (2**63 - 1), 2)]
