"""A broker in memory whose every answer waits for the scheduler: what owners see, in whatever order it likes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from agents.core.shared.records import RawRecord
from pipeline.kafka.appender import ProduceError
from pipeline.kafka.reader import StoredRecord

__all__ = ["Gate", "Log", "Logs", "MemoryAppender", "MemoryReader", "Waiting", "of_partition"]

Rows = Iterable[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]]


@dataclass(slots=True)
class Log:
    """One partition; offsets stay when the cleaner takes records out. ``deleted``: kinds of keys ever deleted."""

    records: list[RawRecord] = field(default_factory=list)
    end: int = 0
    deleted: set[bytes] = field(default_factory=set)

    def append(self, rows: Rows, now: int) -> int:
        base = self.end
        for key, value, headers in rows:
            self.records.append(RawRecord(self.end, now, key, value, tuple(headers)))
            self.end += 1
            if key and value is None:
                self.deleted.add(key[:1])
        return base

    def break_off(self, now: int, count: int) -> None:
        """Bytes in place of ``count`` records, which no reader of the format makes sense of."""
        self.records.append(RawRecord(self.end, now, None, None, (), self.end + count - 1))
        self.end += count

    def mark(self) -> None:
        """A marker of a transaction takes an offset and is no record."""
        self.end += 1

    def compact(self, before: int) -> None:
        """As Kafka's cleaner: below ``before`` only the last record of each key stays, deletions go."""
        last = {record.key: record.offset for record in self.records if record.offset < before}
        self.records = [
            record
            for record in self.records
            if record.offset >= before or (last[record.key] == record.offset and record.value is not None)
        ]


Logs = defaultdict[tuple[str, int], Log]


def of_partition(partition: int, record: RawRecord) -> StoredRecord:
    """A record of a partition's log as commands read it."""
    return StoredRecord(partition, *msgspec.structs.astuple(record))


@dataclass(slots=True, eq=False)
class Waiting:
    """A step that an owner waits for; ``land`` does at the broker what is on its way there."""

    name: str
    future: "asyncio.Future[None]"
    rows: list[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]] = field(default_factory=list)
    log: Log | None = None
    base: int = -1

    def land(self, now: int) -> None:
        if self.log is not None:
            self.base = self.log.append(self.rows, now)


class Gate:
    """One owner's way to the broker; nothing passes until the scheduler says so."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []

    async def step(self, name: str, log: Log | None = None, rows: Sequence[object] = ()) -> int:
        """Wait for the scheduler; returns the base offset of rows that were appended."""
        waiting = Waiting(name, asyncio.get_running_loop().create_future(), list(rows), log)  # type: ignore[arg-type]
        self.waiting.append(waiting)
        await waiting.future
        return waiting.base

    def release(self, waiting: Waiting, now: int) -> None:
        self.waiting.remove(waiting)
        waiting.land(now)
        waiting.future.set_result(None)

    def fail(self, waiting: Waiting) -> None:
        """The answer never comes."""
        self.waiting.remove(waiting)
        waiting.future.set_exception(ProduceError("no answer"))


class MemoryAppender:
    """Stands for :class:`pipeline.kafka.appender.Appender`; sending, landing and the answer are steps apart."""

    def __init__(self, gate: Gate, logs: Logs, may_write: Callable[[], bool], *, rows_in_batch: int) -> None:
        self._gate = gate
        self._logs = logs
        self._may_write = may_write
        self._rows_in_batch = rows_in_batch

    async def append(
        self, topic: str, partition: int, rows: Rows, batch_bytes: int = 0, *, whole: bool = False
    ) -> list[int]:
        given = list(rows)
        size = len(given) if whole else self._rows_in_batch
        answer: list[int] = []
        for begin in range(0, len(given), size):
            batch = given[begin : begin + size]
            if not self._may_write():
                raise ProduceError("the lease has run out")
            base = await self._gate.step(f"append {topic}", self._logs[topic, partition], batch)
            await self._gate.step(f"answer {topic}")
            answer += [base, len(batch)]
        return answer


class MemoryReader:
    """Stands for :class:`pipeline.kafka.recovery.LogReader`; the log may change between two of its fetches."""

    def __init__(self, gate: Gate, logs: Logs) -> None:
        self._gate = gate
        self._logs = logs

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        await self._gate.step(f"bounds {topic}")
        return 0, self._logs[topic, partition].end

    async def end(self, topic: str, partition: int) -> int:
        await self._gate.step(f"end {topic}")
        return self._logs[topic, partition].end

    async def any_record(self, topic: str, partition: int, start: int, end: int) -> bool:
        await self._gate.step(f"look {topic}")
        return bool(self._between(topic, partition, start, end))

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[list[RawRecord]]:
        if start >= end:
            return
        middle = (start + end) // 2
        await self._gate.step(f"read {topic}")
        yield self._between(topic, partition, start, middle)
        await self._gate.step(f"read on {topic}")
        yield self._between(topic, partition, middle, end)

    def _between(self, topic: str, partition: int, start: int, end: int) -> list[RawRecord]:
        return [each for each in self._logs[topic, partition].records if start <= each.offset < end]
