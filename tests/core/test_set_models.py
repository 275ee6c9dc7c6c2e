"""Sets and counts that are kept in small pieces, beside the plain sets, lists and dicts that they stand for."""

import sys
from array import array
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.accept.hash_leaves import MAX_HASHES, HashLeaves
from agents.core.accept.intervals import MAX_INTERVALS, IntervalSet
from agents.core.count.kinds.activity import add_day, pack_days, unpack_days
from agents.core.count.kinds.bins import BEGINS, bin_of, quantile
from agents.core.count.kinds.detail import Bins, Readings, detail_of
from agents.core.shared.joins import StateError
from schemas.catalogue.fields import MOST_INT
from schemas.catalogue.metrics import Kind


def drawn(seed: int, most: int, count: int) -> list[int]:
    """Many numbers, which lists of hypothesis rarely are."""
    draw = Random(seed)
    return [draw.randint(0, most) for _ in range(count)]


HASHES = st.builds(drawn, st.integers(), st.sampled_from([90, 400, 2**64 - 1]), st.integers(0, 300))
NUMBERS = st.lists(st.integers(0, 120), max_size=120)
READINGS = st.lists(st.integers(0, 300) | st.integers(0, MOST_INT), min_size=1, max_size=40)


# ---- hashes


def unpacked(leaf: bytes) -> list[int]:
    return array("Q", leaf).tolist()


@settings(max_examples=60, deadline=None)
@given(HASHES)
def test_leaves_of_hashes_are_a_set(values: list[int]) -> None:
    leaves, seen, stored = HashLeaves(), set[int](), dict[int, bytes]()
    for value in values:
        assert leaves.has(value) is (value in seen)
        assert (leaves.add(value) > 0) is (value not in seen)
        seen.add(value)
        if value % 3 == 0:
            stored.update(leaves.written())
    stored.update(leaves.written())
    assert leaves.written() == []
    if not seen:
        return
    assert sorted(stored) == leaves.lows()
    found = [unpacked(stored[low]) for low in leaves.lows()]
    assert [each for leaf in found for each in leaf] == sorted(seen)
    assert all(0 < len(leaf) <= MAX_HASHES for leaf in found)
    assert all(low <= leaf[0] for low, leaf in zip(leaves.lows(), found, strict=True))
    assert all(one[-1] < low for one, low in zip(found, leaves.lows()[1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(HASHES, HASHES)
def test_leaves_go_on_from_what_was_written(before: list[int], after: list[int]) -> None:
    whole, begun, stored = HashLeaves(), HashLeaves(), dict[int, bytes]()
    for value in before:
        whole.add(value)
        begun.add(value)
    stored.update(begun.written())
    asked: list[int] = []

    def fetch(low: int) -> bytes:
        asked.append(low)
        return stored.get(low, b"")

    again, lazy = HashLeaves(stored.items()), HashLeaves.stored(sorted(stored), fetch)
    assert asked == []
    for value in after:
        grown = whole.add(value)
        assert (again.add(value) > 0) is (lazy.add(value) > 0) is (grown > 0)
    assert len(asked) == len(set(asked))
    assert again.lows() == lazy.lows() == whole.lows()
    final = dict(whole.written())
    for leaves in (again, lazy):
        assert stored | dict(leaves.written()) == final | {low: stored[low] for low in stored if low not in final}
    lazy.release()
    stored.update(final)
    assert all(lazy.has(value) for value in [*before, *after])


def test_a_full_leaf_is_split_in_the_middle_and_both_halves_are_written() -> None:
    leaves = HashLeaves()
    for value in range(MAX_HASHES):
        leaves.add(value)
    assert [low for low, _ in leaves.written()] == [0]
    assert leaves.add(MAX_HASHES) > 0
    half = (MAX_HASHES + 1) // 2
    assert leaves.lows() == [0, half]
    written = dict(leaves.written())
    assert unpacked(written[0]) == [*range(half)]
    assert unpacked(written[half]) == [*range(half, MAX_HASHES + 1)]
    assert written[0][:8] == (0).to_bytes(8, sys.byteorder)


# ---- intervals


def stretches(numbers: set[int]) -> int:
    return sum(number - 1 not in numbers for number in numbers)


@given(NUMBERS, st.integers(1, 6))
def test_intervals_are_counted_and_kept_within_their_bound(values: list[int], most: int) -> None:
    held, seen = IntervalSet(), set[int]()
    for value in values:
        fits = value not in seen and stretches(seen | {value}) <= max(most, stretches(seen))
        assert held.is_past(value, most) is (value not in seen and not fits)
        assert (held.add_within(value, most) > 0) is fits
        seen |= {value} if fits else set()
        assert held.count() == stretches(seen) <= most
    assert [number for number in range(122) if number in held] == sorted(seen)


@given(NUMBERS, st.integers(1, 50))
def test_what_is_extended_is_what_is_added_one_by_one(values: list[int], more: int) -> None:
    one, other = IntervalSet(), IntervalSet()
    for value in values:
        one.add(value)
        other.add(value)
    end, _ = one.tail()
    assert end == (max(values) + 1 if values else -1)
    if not values:
        return
    one.written()
    other.written()
    one.extend(end + more)
    for value in range(end, end + more):
        other.add(value)
    assert one.leaves() == other.leaves()
    assert one.written() == other.written() != []


@given(st.builds(drawn, st.integers(), st.just(200), st.integers(0, 400)))
def test_leaves_of_intervals_touch_nowhere_inside_and_are_named_by_their_range(values: list[int]) -> None:
    held = IntervalSet()
    for value in values:
        held.add(2 * value)
    for value in values[:300]:  # which fills gaps, also where two leaves meet
        held.add(2 * value + 1)
    assert held.count() == stretches({2 * value for value in values} | {2 * value + 1 for value in values[:300]})
    leaves = held.leaves()
    assert leaves[0][0] == 0
    for (_, leaf), (low, after) in pairwise(leaves):
        assert leaf[-1] <= low <= after[0]
    for _, leaf in leaves:
        assert len(leaf) <= 2 * MAX_INTERVALS
        assert all(one < other for one, other in pairwise(leaf))
    assert (held.single() is None) is (len(leaves) > 1)


# ---- days


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(1, 12))
def test_days_are_kept_as_far_back_as_they_may_be(days: list[int], keep: int) -> None:
    packed, seen = None, set[int]()
    for day in days:
        newest = max(seen, default=day)
        changed = add_day(packed, day, keep)
        assert (changed is None) is (day in seen or newest - day > keep)
        if changed is not None:
            seen = {each for each in seen | {day} if max(newest, day) - each <= keep}
            packed = changed
        assert packed is not None
        newest, mask = pack_days(packed)
        bits = int.from_bytes(mask, "little")
        assert {newest - age for age in range(bits.bit_length()) if bits >> age & 1} == seen
        assert unpack_days(newest, mask) == packed
        assert mask[-1:] != b"\0"


# ---- distributions


@given(st.integers(0, MOST_INT))
def test_a_bin_is_so_narrow_that_its_middle_is_within_one_percent(reading: int) -> None:
    number = bin_of(reading)
    low, after = BEGINS[number], BEGINS[number + 1]
    assert low <= reading < after
    middle = (low + after - 1) // 2
    assert abs(middle - reading) * 100 <= reading
    assert quantile({number: 3}, 50, 0, MOST_INT) == middle
    assert quantile({number: 3}, 50, reading, reading) == reading


@given(READINGS, READINGS)
def test_bins_put_together_are_those_of_all_readings(one: list[int], other: list[int]) -> None:
    made, parts = Bins(), [Bins(), Bins()]
    for part, readings in zip(parts, (one, other), strict=True):
        for reading in readings:
            assert part.add(reading) == made.add(reading) == bin_of(reading)
    assert made.counts == Counter(parts[0].counts) + Counter(parts[1].counts)
    assert made.state() == (sum(one) + sum(other), min(one + other), max(one + other))
    assert made.total == parts[0].total + parts[1].total
    again = detail_of(Kind.DISTRIBUTION, made.state())
    assert isinstance(again, Bins)
    again.counts.update(made.counts)
    assert again.members() == made.members()


@given(READINGS)
def test_quantiles_rise_with_their_percent_and_lie_between_the_extremes(readings: list[int]) -> None:
    made = Bins()
    for reading in readings:
        made.add(reading)
    found = [quantile(made.counts, percent, made.least, made.most) for percent in range(1, 101)]
    assert found == sorted(found)
    assert made.least <= found[0]
    assert found[-1] <= made.most
    for percent in (1, 50, 95, 99, 100):
        exact = sorted(readings)[-(-percent * len(readings) // 100) - 1]
        assert bin_of(found[percent - 1]) == bin_of(exact)


@pytest.mark.parametrize(
    ("kind", "state", "fits"),
    [
        (Kind.GAUGE, (3,), True),
        (Kind.GAUGE, (), True),
        (Kind.GAUGE, (3, 4), False),
        (Kind.DISTRIBUTION, (9, 1, 5), True),
        (Kind.DISTRIBUTION, (9, 1), False),
        (Kind.DISTRIBUTION, (9, 1, 5, 5), False),
        (Kind.COUNT, (), True),
        (Kind.COUNT, (1,), False),
        (Kind.SUM, (1,), False),
        (Kind.DISTINCT, (1,), False),
    ],
)
def test_a_detail_is_taken_up_only_as_its_kind_writes_it(kind: Kind, state: tuple[int, ...], fits: bool) -> None:
    if not fits:
        with pytest.raises(StateError):
            detail_of(kind, state)
        return
    found = detail_of(kind, state)
    if found is None:
        assert kind is Kind.COUNT
        return
    assert isinstance(found, {Kind.GAUGE: Readings, Kind.DISTRIBUTION: Bins}[kind])
    assert not state or found.state() == state
