"""A partition that an open transaction holds: what lies behind its first record nobody may read until it ends."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from aiokafka import TopicPartition

from pipeline.kafka.clients import end_consumer, started
from pipeline.kafka.connection import Where

__all__ = ["HELD_SECONDS", "Held", "WholeEnds"]

HELD_SECONDS: Final = 30.0
"""For so long a transaction may be under way before a worker is not ready for it."""


class WholeEnds:
    """Tells where partitions end, records of open transactions included; one a worker."""

    def __init__(self, where: Where) -> None:
        self._consumer = end_consumer(where)
        self._where = where
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> "WholeEnds":
        await self._ending.enter_async_context(started(self._consumer, self._where))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()

    async def end(self, topic: str, partition: int) -> int:
        """The offset after the last record."""
        key = TopicPartition(topic, partition)
        return int((await self._consumer.end_offsets([key]))[key])


class Held:
    """Of one partition: how much is held, and for how long the end of what may be read has not moved meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.records = 0
        """Offsets that may not be read yet."""
        self._clock = clock
        self._at = -1
        self._since = 0.0
        self._warned = False

    def look(self, readable_end: int, whole_end: int) -> bool:
        """Take in both ends; whether it is too long by now and was not told to be so before."""
        self.records = max(0, whole_end - readable_end)
        at = readable_end if self.records else -1
        if at != self._at:
            self._at, self._since, self._warned = at, self._clock(), False
        warned, self._warned = self._warned, self.too_long
        return self._warned and not warned

    @property
    def too_long(self) -> bool:
        """Whether it is held for longer than a transaction should be under way."""
        return self.records > 0 and self._clock() - self._since >= HELD_SECONDS
