"""What the owners of raw and clean partitions share: the queue of chunks, the right to write, the end."""

import abc
import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, Self, TypeVar

from agents.core.shared.standby import Standby
from pipeline.kafka.batch import Batch
from pipeline.worker.context import Context
from pipeline.worker.held import Held
from pipeline.worker.intake import STALL_SECONDS, Intake
from pipeline.worker.restoring import Restorable

__all__ = ["Owner", "Record"]

Record = TypeVar("Record")
_CHECK_SECONDS: Final = 2.0


class Owner(Restorable, Generic[Record]):
    """One assignment of one partition: its own state, its own task; dropped when it is revoked."""

    def __init__(self, context: Context, partition: int, own: str) -> None:
        super().__init__(context, partition, own)
        self.bare_end = -1
        """An end of the log up to which there was nothing more to read, but markers of transactions."""
        self.assigned_at = int(context.wall() * 1000)
        """Broker time in ms, as far as this machine's clock tells it."""
        self.held = Held()
        """By an open transaction."""
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checked_at = 0.0
        self._intake = Intake(self.log)

    @property
    def ready(self) -> bool:
        """Restored, mended, and at the log's end or moved on within 30 s."""
        if not self.restored or not self.folds or self.held.too_long:
            return False
        return not self.lag or time.monotonic() - self.moved_at < STALL_SECONDS

    @property
    def lag(self) -> int:
        """Offsets between the position and the log's end, 0 where nothing but markers is left."""
        return 0 if self.bare_end == self.end else max(0, self.end - self.position)

    @property
    def folds(self) -> bool:
        """Whether what is read next is for this release to fold."""
        return not self.waits and self.left is None

    def publish_metrics(self) -> None:
        """Set the gauges of this partition."""
        self.context.operations.stands(self, self.closing_watermark)

    # ---- life

    async def restore(self, standby: Standby | None = None, former: Self | None = None) -> int:
        """See :class:`Restorable`; what is handed over is to come from there on."""
        position = await super().restore(standby, former)
        self._intake.begin(position)
        return position

    def begin(self) -> None:
        """Start the task that folds what ``receive`` hands over."""
        self._task = asyncio.create_task(self._run(), name=f"owner-{self.partition}")

    async def receive(self, batches: Sequence[Batch]) -> int | None:
        """Hand over fetched batches; returns the offset to fetch again from, see :meth:`Intake.put`."""
        return None if self._closing.is_set() else await self._intake.put(batches)

    def starved(self) -> int | None:
        """The offset to fetch again from, see :meth:`Intake.starved`."""
        hungry = bool(self.folds and self.lag and self.context.lease.valid)
        return self._intake.starved(self.position, self.end, hungry=hungry, moved_at=self.moved_at)

    async def close(self) -> None:
        """Finish the chunk in hand, begin none, and end."""
        self._closing.set()
        self._intake.clear()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while not self._closing.is_set():
                found = False
                for records in await self._next():
                    found = True
                    await (self.handle(records) if records else asyncio.sleep(0))
                    if self._closing.is_set():
                        break
                if not found and not self._closing.is_set() and self.context.lease.may_begin:
                    await self._look_around()
                if not self._closing.is_set() and self.context.lease.may_begin:
                    await self.in_between()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self.restored = False
            self.context.failed(error)

    async def _next(self) -> Iterable[Sequence[Record]]:
        get = asyncio.ensure_future(self._intake.get())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            done, _ = await asyncio.wait({get, closing}, timeout=self.pause(), return_when=asyncio.FIRST_COMPLETED)
            return self.read(get.result()) if get in done and closing not in done else ()
        finally:
            get.cancel()
            closing.cancel()

    async def _look_around(self) -> None:
        """While idle: the log's end, and whether somebody else wrote where only we do."""
        if time.monotonic() - self._checked_at < _CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        await self.check_foreign()
        topic, reader = self.context.topic(self.stage.source), self.context.reader
        readable = await reader.end(topic, self.partition)
        self.end = max(self.end, readable)
        await self._look_for_transactions(topic, readable)
        if self.position < self.end and not await reader.any_record(topic, self.partition, self.position, self.end):
            self.bare_end = self.end

    async def _look_for_transactions(self, topic: str, readable: int) -> None:
        if self.context.whole_end is None:
            return
        if self.held.look(readable, await self.context.whole_end(topic, self.partition)):
            self.log.warning(
                "held_by_a_transaction",
                topic=topic,
                offset=readable,
                records=self.held.records,
                do="end the producer that began a transaction there; brokers abort it after its timeout",
            )

    async def check_foreign(self) -> None:
        """As :meth:`check_changelog`, of every log that this owner alone writes."""
        await self.check_changelog()

    async def may_begin(self) -> bool:
        """Wait until a chunk may be begun; False where none may be any more."""
        while not self._closing.is_set():
            if self.context.lease.may_begin:
                return True
            await asyncio.sleep(0.02)
        return False

    def advanced(self, position: int) -> None:
        """The state up to before ``position`` is on the log."""
        self.position = position
        self.end = max(self.end, position)
        self.moved_at = time.monotonic()

    # ---- what differs

    @property
    @abc.abstractmethod
    def closing_watermark(self) -> int:
        """Milliseconds; negative where there is none yet."""

    @abc.abstractmethod
    def read(self, batches: Sequence[Batch]) -> Iterator[Sequence[Record]]:
        """The records of fetched batches, part by part, each read when it is asked for; an empty one is a pause."""

    @abc.abstractmethod
    async def handle(self, records: Sequence[Record]) -> None:
        """Fold fetched records, chunk by chunk, each written before the next."""

    @abc.abstractmethod
    async def in_between(self) -> None:
        """After each chunk and each pause."""

    def pause(self) -> float:
        """Seconds to wait for records before ``in_between``."""
        return 0.5
