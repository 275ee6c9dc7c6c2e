"""What a worker asks of its process before it begins: memory is kept for the next fetch, and the loop is the fast one.

Nothing here changes what a worker does; where a platform has no such thing, it is left out.
"""

import asyncio
import ctypes
import gc
import sys
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
    """To be called once, before the loop is made."""
    gc.set_threshold(_YOUNG, 20, 50)
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_KEPT)
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - not there on every platform

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
