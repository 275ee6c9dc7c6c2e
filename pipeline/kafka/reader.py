"""The one reader of topics: for recoveries and standbys of a worker, and for every command."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from agents.core.shared.records import RawRecord
from pipeline.kafka.block_records import Make
from pipeline.kafka.clients import BatchConsumer, batch_consumer, started
from pipeline.kafka.connection import Where
from pipeline.kafka.login import require_login
from pipeline.kafka.parts import parts
from pipeline.kafka.patches.admin import partitions_of
from pipeline.kafka.stored import StoredRecord
from pipeline.kafka.trusted import admitted

__all__ = ["LogReader", "Progress", "StoredRecord", "Tail", "ends", "follow", "raw_records", "read", "read_topic"]

Progress = Callable[[int, int], None]
"""Called with (records done, records in all)."""
Made = TypeVar("Made", bound=Any)
MakeFor = Callable[[TopicPartition], Make[Made]]
"""What makes the records of a partition."""
_PARTITION_BYTES: Final = 16 << 20
_WAIT_MS: Final = 50
_TURN_MS: Final = 500
_FOR_EVER: Final = 1 << 63


def raw_records(_: TopicPartition) -> Make[RawRecord]:
    """Records as the folds take them."""
    return RawRecord


def _stored_records(place: TopicPartition) -> Make[StoredRecord]:
    return partial(StoredRecord, place.partition)


async def _fetched(
    consumer: BatchConsumer, make_for: MakeFor[Made], timeout_ms: int
) -> Mapping[TopicPartition, Iterator[Sequence[Made]]]:
    """What a fetch brought of the assigned partitions, in parts that are read when asked for.

    Nothing where none came in time. Raises KafkaError; reading a part may raise StartupError, see :func:`admitted`.
    """
    brought = await consumer.getmany(timeout_ms=timeout_ms)
    return {place: _admitted(place, parts(batches, make_for(place))) for place, batches in brought.items()}


def _admitted(place: TopicPartition, found: Iterator[Sequence[Made]]) -> Iterator[Sequence[Made]]:
    for part in found:
        yield admitted(place.topic, place.partition, part)


async def read(
    consumer: BatchConsumer, stretches: Mapping[TopicPartition, tuple[int, int]], make_for: MakeFor[Made]
) -> AsyncGenerator[list[Made]]:
    """The records of each partition from the first to before the second offset, in lists, each of one partition.

    An empty list is a turn of the wait for more. Of a log that was cut off meanwhile it reads what is left. Raises
    KafkaError, and StartupError for bytes that are no records where trusted services alone write.
    """
    consumer.assign(list(stretches))
    for place, (start, _) in stretches.items():
        consumer.seek(place, start)
    left = {place for place, (start, end) in stretches.items() if start < end}
    while left:
        try:
            brought = await _fetched(consumer, make_for, _TURN_MS)
        except OffsetOutOfRangeError as error:
            for place, first in (await consumer.beginning_offsets(list(error.args[0]))).items():
                consumer.seek(place, first)
            brought = {}
        for place, found in brought.items():
            end = stretches[place][1]
            for part in found:
                yield [record for record in part if record.offset < end]
                await asyncio.sleep(0)
        yield []
        left = {place for place in left if await consumer.position(place) < stretches[place][1]}


async def ends(where: Where, topic: str) -> Mapping[int, tuple[int, int]]:
    """First and end offset of each partition of ``topic``."""
    async with started(batch_consumer(where), where) as consumer:
        found = await _bounds(consumer, topic)
        return {place.partition: bounds for place, bounds in found.items()}


async def _bounds(consumer: BatchConsumer, topic: str) -> Mapping[TopicPartition, tuple[int, int]]:
    places = await partitions_of(consumer, topic)
    first, end = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    return {place: (first[place], end[place]) for place in places}


async def follow(
    where: Where, topic: str, *, whole: bool, progress: Progress | None = None
) -> AsyncIterator[list[StoredRecord]]:
    """Parts of the records of ``topic`` from its start; with ``whole`` False it goes on past the present end.

    Within a partition records come in order of offset. An empty list is a turn of the wait for more. Bytes that are no
    records in a topic that trusted services alone write raise StartupError.
    """
    async with started(batch_consumer(where), where) as consumer:
        bounds = await _bounds(consumer, topic)
        total, done = sum(end - first for first, end in bounds.values()), 0
        stretches = bounds if whole else {place: (first, _FOR_EVER) for place, (first, _) in bounds.items()}
        async with aclosing(read(consumer, stretches, _stored_records)) as found:
            async for records in found:
                done += len(records)
                if progress is not None and records:
                    progress(min(done, total), total)
                if not records:
                    require_login(where)
                yield records


async def read_topic(where: Where, topic: str, progress: Progress | None = None) -> list[StoredRecord]:
    """Every record of ``topic`` up to its present end, sorted by partition and offset."""
    records: list[StoredRecord] = []
    async for batch in follow(where, topic, whole=True, progress=progress):
        records.extend(batch)
    records.sort(key=lambda record: (record.partition, record.offset))
    return records


class LogReader:
    """Looks at ends and reads stretches of partitions, outside the group; safe for several tasks at once."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._consumer = self._new(_WAIT_MS)
        self._ending = AsyncExitStack()

    async def __aenter__(self) -> "LogReader":
        await self._ending.enter_async_context(started(self._consumer, self._where))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ending.aclose()

    def _new(self, wait_ms: int) -> BatchConsumer:
        return batch_consumer(self._where, partition_bytes=_PARTITION_BYTES, wait_ms=wait_ms)

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
        """The records from ``start`` to before ``end``, in lists, as :func:`read`."""
        if start >= end:
            return
        async with started(self._new(_WAIT_MS), self._where) as consumer:
            stretch = {TopicPartition(topic, partition): (start, end)}
            async with aclosing(read(consumer, stretch, raw_records)) as found:
                async for records in found:
                    if not records:
                        require_login(self._where)
                    yield records

    @asynccontextmanager
    async def tail(self, topic: str, positions: Mapping[int, int]) -> AsyncGenerator["Tail"]:
        """Follow partitions from their positions on."""
        async with started(self._new(_TURN_MS), self._where) as consumer:
            keys = {TopicPartition(topic, partition): position for partition, position in positions.items()}
            consumer.assign(list(keys))
            for key, position in keys.items():
                consumer.seek(key, position)
            yield Tail(consumer)


class Tail:
    """Follows the partitions that its consumer was assigned."""

    def __init__(self, consumer: BatchConsumer) -> None:
        self._consumer = consumer

    async def more(self) -> Mapping[int, Iterator[Sequence[RawRecord]]]:
        """What came by partition, in parts that are read when they are asked for; {} where nothing did for a while.

        Raises KafkaError, also where a log was cut off; a part raises StartupError as in :func:`read`.
        """
        found = await _fetched(self._consumer, raw_records, 2 * _TURN_MS)
        return {place.partition: parts for place, parts in found.items()}

    def ends(self) -> Mapping[int, int]:
        """The end offset of each partition as the broker last told it, where it did."""
        found = {key.partition: self._consumer.highwater(key) for key in self._consumer.assignment()}
        return {partition: end for partition, end in found.items() if end is not None}
