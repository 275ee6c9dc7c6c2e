"""A set of 64-bit hashes in small sorted leaves, each one key of the state.

A leaf is named by the lowest hash of its range. It splits in the middle when it is full, and leaves are never
joined again, so they are a function of the hashes in their order, never of when they were written. Over a store only
the leaves that were asked for are in memory.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["MAX_HASHES", "HashLeaves"]

MAX_HASHES = 64
"""Hashes of one leaf, 8 bytes each."""
_KEY_COST = 64
_WORD: Final = 8


class HashLeaves:
    """Hashes seen, 0 to 2^64-1; a test costs two binary searches.

    A leaf is held as the bytes that are its value in the state: of all forms that costs the least beside the hashes.
    """

    __slots__ = ("_dirty", "_fetch", "_leaves", "_lows")

    def __init__(self, leaves: Iterable[tuple[int, bytes]] = ()) -> None:
        """Empty, or from (low, packed leaf) pairs as :meth:`written` gives them."""
        found = sorted(leaves) or [(0, b"")]
        self._lows = array("Q", [low for low, _ in found])
        self._leaves: list[bytes | None] = [leaf for _, leaf in found]
        self._fetch: Callable[[int], bytes] | None = None
        self._dirty: set[int] = set()

    @classmethod
    def stored(cls, lows: list[int], fetch: Callable[[int], bytes]) -> "HashLeaves":
        """Leaves of these names, ascending, each read by ``fetch`` when it is asked for, b"" where it is not there."""
        found = cls()
        found._lows, found._fetch = array("Q", lows or [0]), fetch
        found.release()
        return found

    def release(self) -> None:
        """Let go of every leaf; none may have been touched since they were written."""
        self._leaves = [None] * len(self._lows)

    def _leaf(self, index: int) -> bytes:
        leaf = self._leaves[index]
        if leaf is None:
            leaf = self._leaves[index] = b"" if self._fetch is None else self._fetch(self._lows[index])
        return leaf

    def has(self, value: int) -> bool:
        """Whether ``value`` is in."""
        leaf = memoryview(self._leaf(bisect_right(self._lows, value) - 1)).cast("Q")
        at = bisect_left(leaf, value)
        return at < len(leaf) and leaf[at] == value

    def add(self, value: int) -> int:
        """Put ``value`` in; 0 where it was in, else by how many bytes at most the chunk's state grew."""
        index = bisect_right(self._lows, value) - 1
        packed = self._leaf(index)
        leaf = memoryview(packed).cast("Q")
        at = bisect_left(leaf, value)
        if at < len(leaf) and leaf[at] == value:
            return 0
        packed = b"".join((packed[: at * _WORD], value.to_bytes(_WORD, sys.byteorder), packed[at * _WORD :]))
        size, low = len(packed) // _WORD, self._lows[index]
        grown = _WORD if low in self._dirty else _KEY_COST + _WORD * size
        self._dirty.add(low)
        if size > MAX_HASHES:
            packed, right = packed[: size // 2 * _WORD], packed[size // 2 * _WORD :]
            low = memoryview(right).cast("Q")[0]
            self._lows.insert(index + 1, low)
            self._leaves.insert(index + 1, right)
            self._dirty.add(low)
            grown += _KEY_COST
        self._leaves[index] = packed
        return grown

    def lows(self) -> list[int]:
        """The names of all leaves, ascending."""
        return self._lows.tolist()

    def written(self) -> list[tuple[int, bytes]]:
        """The leaves touched since this was last asked, ascending, hashes packed in the machine's order."""
        dirty, self._dirty = sorted(self._dirty), set()
        return [(low, self._leaf(bisect_right(self._lows, low) - 1)) for low in dirty]
