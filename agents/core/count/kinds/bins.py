"""The bins of a distribution: whole numbers, so that any order and any split of the readings gives the same (edge 1.3).

The bin that begins at b is max(1, ⌊b/50⌋) wide, and the first begins at 0: a reading is known to within 1 %.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from schemas.catalogue.fields import MOST_INT

__all__ = ["BEGINS", "bin_of", "quantile"]

_STEPS: Final = 50


def _begins() -> list[int]:
    found = [0]
    while found[-1] <= MOST_INT:
        found.append(found[-1] + max(1, found[-1] // _STEPS))
    return found


BEGINS: Final = _begins()
"""The lowest value of each bin, and one past the last."""


def bin_of(reading: int) -> int:
    """The number of the bin that a reading from 0 to ``MOST_INT`` is in."""
    return bisect_right(BEGINS, reading) - 1


def quantile(bins: Mapping[int, int], percent: int, least: int, most: int) -> int:
    """The middle of the bin that holds the reading of rank ⌈percent/100 · n⌉, at least ``least`` and at most ``most``.

    ``bins`` maps numbers of bins to how many readings are in each; there is at least one.
    """
    left = -(-percent * sum(bins.values()) // 100)
    for number in sorted(bins):
        left -= bins[number]
        if left <= 0:
            break
    return min(most, max(least, (BEGINS[number] + BEGINS[number + 1] - 1) // 2))
