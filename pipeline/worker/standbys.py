"""Standbys of a worker: joined state of partitions it does not own, kept up to date until it is given one."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from agents.core.shared.records import RawRecord
from agents.core.shared.standby import Standby
from agents.core.shared.store import OwnStore
from pipeline.kafka.reader import LogReader
from pipeline.operations import Operations
from schemas.topics import COMPACTION_LAG_MS

__all__ = ["Standbys"]

_PAUSE_SECONDS = 0.2
"""Between two looks: a standby may be a little behind, and many records at once cost less."""
_RETRY_SECONDS = 1.0
_AT_ONCE = 5000


class Standbys:
    """By partition of the changelog ``topic``. Whatever goes wrong here delays a recovery and nothing else."""

    def __init__(
        self,
        reader: LogReader,
        topic: str,
        operations: Operations,
        open_store: Callable[[int], OwnStore | None] = lambda _partition: None,
    ) -> None:
        self.standbys: dict[int, Standby] = {}
        self._reader = reader
        self._topic = topic
        self._operations = operations
        self._open_store = open_store
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger().bind(topic=topic)

    def hand_over(self, partition: int) -> Standby:
        """Hand one over, an empty one where the partition was not followed; it is not followed any more."""
        self._operations.dropped(partition)
        return self.standbys.pop(partition, None) or self._new(partition)

    def _new(self, partition: int) -> Standby:
        return Standby(lambda: self._open_store(partition))

    def give_back(self, partition: int, standby: Standby) -> None:
        """Keep one whose recovery was ended on the way; the next ``follow`` decides whether it goes on."""
        self.standbys[partition] = standby

    def keep(self, partitions: Iterable[int]) -> None:
        """Forget all others, which frees their memory."""
        for partition in set(self.standbys) - set(partitions):
            self.standbys.pop(partition).let_go()
            self._operations.dropped(partition)

    async def follow(self, partitions: Iterable[int]) -> None:
        """From now on follow these partitions and no others; those known already are gone on with."""
        await self.stop()
        wanted = set(partitions)
        self.keep(wanted)
        for partition in wanted - set(self.standbys):
            self.standbys[partition] = self._new(partition)
        if wanted:
            self._task = asyncio.create_task(self._run(), name="standbys")

    async def stop(self) -> None:
        """Stop following; what is known is kept."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - a standby never ends a worker that folds; a log may be cut off
                self._log.warning("standbys_wait", why=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        positions = {partition: await self._position(partition) for partition in list(self.standbys)}
        async with self._reader.tail(self._topic, positions) as tail:
            while True:
                for partition, parts in (await tail.more()).items():
                    for records in parts:
                        await self._apply(self.standbys[partition], records)
                for partition, end in tail.ends().items():
                    self._operations.follows(partition, max(0, end - self.standbys[partition].next))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _position(self, partition: int) -> int:
        standby = self.standbys[partition]
        first, end = await self._reader.bounds(self._topic, partition)
        if not first <= standby.next <= end:
            standby.begin_anew()
        return max(first, standby.next)

    @staticmethod
    async def _apply(standby: Standby, records: Sequence[RawRecord]) -> None:
        """In pieces, so that heartbeats and pages are answered in between."""
        for begin in range(0, len(records), _AT_ONCE):
            standby.apply(records[begin : begin + _AT_ONCE])
            await asyncio.sleep(0)
        standby.forget(standby.newest - COMPACTION_LAG_MS)  # until then the log keeps what the cleaner may take
