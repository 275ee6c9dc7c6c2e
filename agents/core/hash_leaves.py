"""A set of 64-bit hashes in small sorted leaves, each one key of the state.

A leaf is named by the lowest hash of its range. It splits in the middle when it is full, and leaves are never
joined again, so they are a function of the hashes in their order, never of when they were written. Over a store only
the leaves that were asked for are in memory.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable

__all__ = ["MAX_HASHES", "HashLeaves"]

MAX_HASHES = 64
"""Hashes of one leaf, 8 bytes each."""
_KEY_COST = 64


class HashLeaves:
    """Hashes seen, 0 to 2^64-1; a test costs two binary searches."""

    __slots__ = ("_dirty", "_fetch", "_leaves", "_lows")

    def __init__(self, leaves: Iterable[tuple[int, bytes]] = ()) -> None:
        """Empty, or from (low, packed leaf) pairs as :meth:`written` gives them."""
        found = sorted(leaves) or [(0, b"")]
        self._lows = [low for low, _ in found]
        self._leaves: list[array[int] | None] = [array("Q", leaf) for _, leaf in found]
        self._fetch: Callable[[int], bytes] | None = None
        self._dirty: set[int] = set()

    @classmethod
    def stored(cls, lows: list[int], fetch: Callable[[int], bytes]) -> "HashLeaves":
        """Leaves of these names, ascending, each read by ``fetch`` when it is asked for, b"" where it is not there."""
        found = cls()
        found._lows, found._fetch = lows or [0], fetch
        found.release()
        return found

    def release(self) -> None:
        """Let go of every leaf; none may have been touched since they were written."""
        self._leaves = [None] * len(self._lows)

    def _leaf(self, index: int) -> "array[int]":
        leaf = self._leaves[index]
        if leaf is None:
            leaf = self._leaves[index] = array("Q", b"" if self._fetch is None else self._fetch(self._lows[index]))
        return leaf

    def has(self, value: int) -> bool:
        """Whether ``value`` is in."""
        index = bisect_right(self._lows, value) - 1
        leaf = self._leaves[index] or self._leaf(index)
        at = bisect_left(leaf, value)
        return at < len(leaf) and leaf[at] == value

    def add(self, value: int) -> int:
        """Put ``value`` in; 0 where it was in, else by how many bytes at most the chunk's state grew."""
        index = bisect_right(self._lows, value) - 1
        leaf = self._leaves[index] or self._leaf(index)
        at = bisect_left(leaf, value)
        if at < len(leaf) and leaf[at] == value:
            return 0
        insort(leaf, value)
        grown = 8 if self._lows[index] in self._dirty else _KEY_COST + 8 * len(leaf)
        self._dirty.add(self._lows[index])
        if len(leaf) > MAX_HASHES:
            middle = len(leaf) // 2
            right = leaf[middle:]
            del leaf[middle:]
            self._lows.insert(index + 1, right[0])
            self._leaves.insert(index + 1, right)
            self._dirty.add(right[0])
            grown += _KEY_COST
        return grown

    def lows(self) -> list[int]:
        """The names of all leaves, ascending."""
        return list(self._lows)

    def written(self) -> list[tuple[int, bytes]]:
        """The leaves touched since this was last asked, ascending, hashes packed in the machine's order."""
        dirty, self._dirty = sorted(self._dirty), set()
        return [(low, self._leaf(bisect_right(self._lows, low) - 1).tobytes()) for low in dirty]
