"""Restoring a partition: the join of its changelog, and what a reader of logs needs for it (design 2.1, rules 5, 6)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from agents.core.joins import ENTRY_KEY, JoinedLog
from agents.core.records import RawRecord
from agents.core.standby import Standby
from pipeline.kafka.consumer import BatchConsumer, batch_consumer, fetched
from pipeline.unknown import readable

__all__ = ["LogReader", "Recovered", "Tail", "joined_entry", "last_entry", "recover"]

_PARTITION_BYTES = 16 << 20
_WAIT_MS = 50


class LogReader:
    """Looks at ends and reads stretches of partitions, outside the group; safe for several tasks at once."""

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers
        self._consumer = _consumer(brokers, _WAIT_MS)

    async def __aenter__(self) -> "LogReader":
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First and end offset."""
        key = TopicPartition(topic, partition)
        first = await self._consumer.beginning_offsets([key])
        return int(first[key]), await self.end(topic, partition)

    async def end(self, topic: str, partition: int) -> int:
        """The end offset."""
        key = TopicPartition(topic, partition)
        return int((await self._consumer.end_offsets([key]))[key])

    async def first_after(self, topic: str, partition: int, time: int) -> tuple[int, int] | None:
        """Offset and append time (ms) of the first record appended at ``time`` or later; None where there is none."""
        key = TopicPartition(topic, partition)
        found = (await self._consumer.offsets_for_times({key: time}))[key]
        return None if found is None else (int(found.offset), int(found.timestamp))

    async def any_record(self, topic: str, partition: int, start: int, end: int) -> bool:
        """Whether there is a record, and not markers of transactions alone, from ``start`` to before ``end``."""
        async with aclosing(self.records(topic, partition, start, end)) as found:
            async for records in found:
                if records:
                    return True
        return False

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[list[RawRecord]]:
        """The records from ``start`` to before ``end``, in lists; of a log cut off meanwhile those that are left.

        Raises Refused for bytes that are no records where trusted services alone write.
        """
        key = TopicPartition(topic, partition)
        if start >= end:
            return
        consumer = _consumer(self._brokers, _WAIT_MS)
        try:
            await consumer.start()
            consumer.assign([key])
            consumer.seek(key, start)
            while await consumer.position(key) < end:
                try:
                    brought = await fetched(consumer, RawRecord)
                except OffsetOutOfRangeError:
                    consumer.seek(key, (await self.bounds(topic, partition))[0])
                    continue
                for part in brought.get(key, ()):
                    yield [record for record in part if record.offset < end]
                    await asyncio.sleep(0)
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def tail(self, topic: str, positions: Mapping[int, int]) -> AsyncGenerator["Tail"]:
        """Follow partitions from their positions on."""
        consumer = _consumer(self._brokers, 500)
        await consumer.start()
        try:
            keys = {TopicPartition(topic, partition): position for partition, position in positions.items()}
            consumer.assign(list(keys))
            for key, position in keys.items():
                consumer.seek(key, position)
            yield Tail(consumer)
        finally:
            await consumer.stop()


class Tail:
    """Follows the partitions that its consumer was assigned."""

    def __init__(self, consumer: BatchConsumer) -> None:
        self._consumer = consumer

    async def more(self) -> Mapping[int, Iterator[Sequence[RawRecord]]]:
        """What came by partition, in parts that are read when they are asked for; {} where nothing did for a while.

        Raises KafkaError, also where a log was cut off; a part raises Refused as in :meth:`LogReader.records`.
        """
        return {place.partition: parts for place, parts in (await fetched(self._consumer, RawRecord)).items()}

    def ends(self) -> Mapping[int, int]:
        """The end offset of each partition as the broker last told it, where it did."""
        found = {key.partition: self._consumer.highwater(key) for key in self._consumer.assignment()}
        return {partition: end for partition, end in found.items() if end is not None}


def _consumer(brokers: str, wait_ms: int) -> BatchConsumer:
    return batch_consumer(brokers, partition_bytes=_PARTITION_BYTES, wait_ms=wait_ms)


@dataclass(slots=True)
class Recovered:
    """What bringing a join up to the end of its log came to; seconds of waiting for records, and of joining them."""

    end: int = 0
    records: int = 0
    reading: float = 0.0
    joining: float = 0.0


async def recover(reader: LogReader, topic: str, partition: int, standby: Standby) -> Recovered:
    """Bring ``standby`` up to the end of a changelog partition.

    One whose position is not in the log any more is begun anew, since what came between is lost to it.
    """
    mark = time.monotonic()
    first, end = await reader.bounds(topic, partition)
    found = Recovered(end)
    if not first <= standby.next <= end:
        standby.begin_anew()
    async for records in reader.records(topic, partition, max(first, standby.next), end):
        came = time.monotonic()
        with readable(topic, partition):
            standby.take(records)
        found.reading, mark = found.reading + came - mark, time.monotonic()
        found.joining, found.records = found.joining + mark - came, found.records + len(records)
    found.reading += time.monotonic() - mark
    return found


async def last_entry(reader: LogReader, topic: str, partition: int) -> JoinedLog:
    """The last record of a changelog partition, which is the entry; all of it where that is not there any more."""
    joined = JoinedLog()
    first, end = await reader.bounds(topic, partition)
    async for records in reader.records(topic, partition, max(first, end - 1), end):
        for record in records:
            if record.key == ENTRY_KEY and record.value is not None:
                with readable(topic, partition, record.offset):
                    joined.apply(ENTRY_KEY, bytes(record.value))
    if end > first and joined.get(ENTRY_KEY) is None:
        return await joined_entry(reader, topic, partition)
    return joined


async def joined_entry(reader: LogReader, topic: str, partition: int) -> JoinedLog:
    """The join of all entries of a changelog partition, and one key of another kind where there are such alone."""
    joined = JoinedLog()
    first, end = await reader.bounds(topic, partition)
    async for records in reader.records(topic, partition, first, end):
        for record in records:
            if record.key == ENTRY_KEY or not len(joined):
                with readable(topic, partition, record.offset):
                    joined.apply(bytes(record.key or b""), None if record.value is None else bytes(record.value))
    if joined.get(ENTRY_KEY) is not None:
        joined.drop([key for key, _ in joined.items() if key != ENTRY_KEY])
    return joined
