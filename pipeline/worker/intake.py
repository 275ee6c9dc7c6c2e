"""What was fetched of a partition and is not folded yet: in order, with nothing left out."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from pipeline.kafka.batch import Batch

__all__ = ["STALL_SECONDS", "Intake"]

STALL_SECONDS: Final = 30.0
"""For so long records may lie ahead without any coming."""
_QUEUED_FETCHES: Final = 2


class Intake:
    """Of one owner. Faust drops what it has fetched when it goes on twice, as where one rebalance follows another.

    So each batch says from where on nothing lay before it, and what is missing is fetched again.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self._queue: asyncio.Queue[Sequence[Batch]] = asyncio.Queue(_QUEUED_FETCHES)
        self._next_offset = 0
        """Behind the last batch that came."""
        self._fed_at = time.monotonic()

    def begin(self, position: int) -> None:
        """Batches are to come from ``position`` on."""
        self._next_offset = position
        self._fed_at = time.monotonic()

    async def put(self, batches: Sequence[Batch]) -> int | None:
        """Take fetched batches; waits while enough is here, which holds the fetching back.

        Returns the offset to fetch again from, where some before them never came. Batches that came twice do no harm.
        """
        if batches[0].since > self._next_offset:
            return self._again(self._next_offset, batches[0].since)
        self._next_offset = max(self._next_offset, batches[-1].stored.last + 1)
        await self._queue.put(batches)
        return None

    async def get(self) -> Sequence[Batch]:
        """The next batches."""
        return await self._queue.get()

    def clear(self) -> None:
        """Drop what is here, which also frees a ``put`` that waits."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def starved(self, position: int, end: int, *, hungry: bool, moved_at: float) -> int | None:
        """The offset to fetch again from, where nothing came for 30 s; to be asked every second.

        ``hungry``: records lie ahead between ``position`` and ``end``, and may be folded. ``moved_at`` is when the
        position last moved on, by the monotonic clock.
        """
        now = time.monotonic()
        if not hungry or not self._queue.empty():
            self._fed_at = now
        if now - max(self._fed_at, moved_at) < STALL_SECONDS:
            return None
        self._fed_at = now
        return self._again(position, end)

    def _again(self, first: int, found: int) -> int:
        self._log.warning("fetching_again", first=first, found=found)
        return first
