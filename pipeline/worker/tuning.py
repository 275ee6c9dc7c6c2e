"""What a worker asks of its process before it begins: freed memory is kept for the next fetch.

Nothing here changes what a worker does; where a platform has no such thing, it is left out. The loop is asyncio's own:
on uvloop a write to a closed connection raises, which ends the client's fetching for good (ADR 0017).
"""

import ctypes
import gc
from contextlib import suppress
from typing import Final

__all__ = ["tune"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of ``mallopt``, as glibc numbers them."""
_LARGEST_KEPT: Final = 16 << 20
"""Bytes of the largest block that the heap keeps when it is freed, twice as much in all: else every fetch is mapped and
cleared anew (ADR 0017)."""
_YOUNG: Final = 50_000
"""Objects made before the collector looks; what a fold makes is freed by its counts, and there is much of it."""


def tune() -> None:
    """To be called once, before anything is fetched."""
    gc.set_threshold(_YOUNG, 20, 50)
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_KEPT)
