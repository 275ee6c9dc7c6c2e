"""From which clean chunk on a period must be folded, found by looking at few chunks, and refused where none is left.

Event watermarks tell it, not clocks: a counted event of the period has raised the event watermark to its time, so a
chunk after which that is still before the period, and every chunk before it, holds none. A former owner may have
repeated earlier chunks later on, so what a search finds is checked: the chunks must join where it begins, and a gap
found while folding sends the search back to the log's start.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

from aiokafka import TopicPartition

from agents.core.count.state import Entry
from pipeline.broker.begun import known_chunk
from pipeline.errors import StartupError
from pipeline.kafka.clients import BatchConsumer, batch_consumer, started
from pipeline.kafka.connection import Where
from pipeline.kafka.reader import raw_records, read
from schemas.limits import HOUR_MS
from schemas.times import instant
from schemas.wire.clean import CleanChunk

__all__ = ["Peek", "Stretch", "first_needed", "peeking", "require_reach"]


class Stretch(NamedTuple):
    """A clean partition: the log's first offset, and the one up to which is folded."""

    partition: int
    first: int
    end: int


class Peek:
    """Reads single chunks of the clean topic."""

    def __init__(self, consumer: BatchConsumer, topic: str) -> None:
        self._consumer = consumer
        self.topic = topic

    async def chunk(self, partition: int, offset: int) -> CleanChunk:
        """The chunk at a clean offset; refuses where retention was faster."""
        key = TopicPartition(self.topic, partition)
        async with aclosing(read(self._consumer, {key: (offset, offset + 1)}, raw_records)) as found:
            async for records in found:
                for record in records:
                    return known_chunk(record.value, self.topic, partition, record.offset)
        raise StartupError(f"{self.topic} partition {partition} was cut off meanwhile", "run it again")


@asynccontextmanager
async def peeking(where: Where, topic: str) -> AsyncIterator[Peek]:
    """A reader of single chunks."""
    # One batch, whatever its size.
    async with started(batch_consumer(where, partition_bytes=1, wait_ms=20), where) as consumer:
        yield Peek(consumer, topic)


async def require_reach(peek: Peek, stretches: list[Stretch], entries: dict[int, Entry], begin: int) -> None:
    """Refuse where events of a period that begins at ``begin`` may lie before the clean log's start; says from when.

    ``entries`` are those of worker aggregate's state, which tell the watermark of a log of which nothing is left.
    """
    could = begin
    for stretch in stretches:
        if stretch.first == 0:
            continue  # nothing was ever cut off
        if stretch.first < stretch.end:
            reached = (await peek.chunk(stretch.partition, stretch.first)).event_watermark
        else:
            reached = _reached(entries.get(stretch.partition), stretch)
        if reached >= begin:
            could = max(could, reached // HOUR_MS * HOUR_MS + HOUR_MS)
    if could > begin:
        raise StartupError(
            f"--from {instant(begin)} lies before what {peek.topic} still holds in full",
            f"it could begin at {instant(could)}",
        )


def _reached(entry: Entry | None, stretch: Stretch) -> int:
    if entry is None or entry.clean_next < stretch.end:
        raise StartupError(
            f"nothing tells what clean partition {stretch.partition} held before offset {stretch.end}",
            "let worker aggregate read it to its end first",
        )
    return entry.event_watermark


async def first_needed(peek: Peek, stretch: Stretch, entry: Entry | None, begin: int) -> int:
    """The clean offset from which on every event at or after ``begin`` lies; the stretch's end where there is none."""
    partition, low, high = stretch
    while low < high:
        middle = (low + high) // 2
        if (await peek.chunk(partition, middle)).event_watermark < begin:
            low = middle + 1
        else:
            high = middle
    if low == stretch.end:
        is_folded = entry is not None and entry.clean_next >= stretch.end
        # Of a stretch that worker aggregate has read, its state tells the true watermark, whatever was repeated last.
        return stretch.end if is_folded and entry is not None and entry.event_watermark < begin else stretch.first
    while low > stretch.first:
        before, at = await peek.chunk(partition, low - 1), await peek.chunk(partition, low)
        if before.event_watermark < begin and before.last + 1 >= at.first:
            break
        low -= 1
    return low
