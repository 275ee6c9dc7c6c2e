"""A set of integers as intervals, split by range into small leaves, each one key of the state.

Leaves are half-open intervals in one flat list ``[start, end, start, end, ...]``. A leaf is named by the
lowest integer of its range; a split keeps the left leaf's name, and leaves are never joined again, so the
leaves are a function of the integers in their order, never of when they were written.
"""

from bisect import bisect_right
from collections.abc import Iterable

__all__ = ["MAX_INTERVALS", "IntervalSet"]

MAX_INTERVALS = 32
"""Intervals of one leaf, at most 18 bytes each."""
_FULL = 2 * MAX_INTERVALS
_KEY_COST = 64


class IntervalSet:
    """Integers seen, 0 to 2^63-1; O(1) where they come in order."""

    __slots__ = ("_dirty", "_leaves", "_lows", "_tail")

    def __init__(self, leaves: Iterable[tuple[int, list[int]]] = ()) -> None:
        """Empty, or from the (low, leaf) pairs of :meth:`leaves`."""
        found = sorted(leaves) or [(0, [])]
        self._lows = [low for low, _ in found]
        self._leaves = [leaf for _, leaf in found]
        self._tail = self._leaves[-1]
        self._dirty: set[int] | None = None

    def __contains__(self, value: int) -> bool:
        leaf = self._leaves[bisect_right(self._lows, value) - 1]
        return bisect_right(leaf, value) % 2 == 1

    def add(self, value: int) -> int:
        """Put ``value`` in; 0 where it was in, else by how many bytes at most the chunk's state grew."""
        tail = self._tail
        if tail and tail[-1] == value:
            tail[-1] = value + 1
            return self._touch(self._lows[-1], tail)
        index = bisect_right(self._lows, value) - 1
        leaf = self._leaves[index]
        at = bisect_right(leaf, value)
        if at % 2:
            return 0
        grown = self._touch(self._lows[index], leaf)
        after = at < len(leaf) and leaf[at] == value + 1
        if at and leaf[at - 1] == value:
            if after:
                del leaf[at - 1 : at + 1]
            else:
                leaf[at - 1] = value + 1
            return grown
        if after:
            leaf[at] = value
            return grown
        leaf[at:at] = (value, value + 1)
        if len(leaf) > _FULL:
            grown += self._split(index)
        return grown + 18

    def add_within(self, value: int, most: int) -> int:
        """As ``add``, but 0 also where that would make more than ``most`` intervals."""
        tail = self._tail
        extends = bool(tail) and tail[-1] == value
        return self.add(value) if extends or not self.is_past(value, most) else 0

    def is_past(self, value: int, most: int) -> bool:
        """Whether ``value`` is not in, and putting it in would make more than ``most`` intervals."""
        return self.count() >= most and value not in self and value - 1 not in self and value + 1 not in self

    def count(self) -> int:
        """How many there are; those that touch where two leaves meet are one."""
        count = sum(len(leaf) for leaf in self._leaves) // 2
        for index in range(1, len(self._leaves)):
            before, leaf = self._leaves[index - 1], self._leaves[index]
            count -= bool(before) and bool(leaf) and before[-1] == leaf[0]
        return count

    def tail(self) -> tuple[int, int]:
        """One past the last interval, -1 where there is none; by how much the state grows as that is extended."""
        low, tail = self._lows[-1], self._tail
        cost = 1 if self._dirty is not None and low in self._dirty else _KEY_COST + 9 * len(tail)
        return tail[-1] if tail else -1, cost

    def extend(self, end: int) -> None:
        """Put everything from the end of the last interval up to below ``end`` in; there must be one."""
        self._tail[-1] = end
        self._touch(self._lows[-1], self._tail)

    def _touch(self, low: int, leaf: list[int]) -> int:
        if self._dirty is None:
            self._dirty = {low}
        elif low in self._dirty:
            return 1
        else:
            self._dirty.add(low)
        return _KEY_COST + 9 * len(leaf)

    def _split(self, index: int) -> int:
        """Split a leaf in the middle; the last one at its end, since sequences grow there."""
        leaf = self._leaves[index]
        at = _FULL if index == len(self._leaves) - 1 else (len(leaf) // 4) * 2
        right = leaf[at:]
        del leaf[at:]
        low = right[0]
        self._lows.insert(index + 1, low)
        self._leaves.insert(index + 1, right)
        self._tail = self._leaves[-1]
        cost = self._touch(low, right)
        if len(self._leaves) == 2:
            cost += self._touch(self._lows[0], leaf)
        return cost

    def leaves(self) -> list[tuple[int, list[int]]]:
        """Every leaf with its low, ascending; the lists are the set's own."""
        return list(zip(self._lows, self._leaves, strict=True))

    def single(self) -> list[int] | None:
        """The only leaf, None where there are several."""
        return self._leaves[0] if len(self._leaves) == 1 else None

    def written(self) -> list[tuple[int, list[int]]]:
        """The leaves touched since this was last asked, ascending."""
        dirty, self._dirty = self._dirty, None
        if not dirty:
            return []
        return [(low, self._leaves[bisect_right(self._lows, low) - 1]) for low in sorted(dirty)]
