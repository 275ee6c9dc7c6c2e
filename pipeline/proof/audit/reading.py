"""Reading from a broker what an audit needs, one partition after the other; nothing is written."""

from collections.abc import AsyncIterator, Callable

from agents.core.shared.joins import ENTRY_KEY, fence_of
from agents.core.shared.records import RawRecord
from pipeline.kafka.reader import LogReader, Progress
from pipeline.kafka.recovery import last_entry
from pipeline.proof.audit.books import ClosedHour, PartitionBooks
from pipeline.proof.audit.corrections import PartitionCorrections, SinkFigures
from pipeline.proof.audit.verdict import Partition, Tail
from pipeline.settings.settings import Settings
from schemas.limits import HOUR_MS
from schemas.topics import topic_name

__all__ = ["read_partitions"]

_READ = ("aggregates", "corrections", "ledger")
"""In this order: a correction is there before the sink shows it, and before the state of its worker."""


async def read_partitions(settings: Settings, progress: Progress, *, keep_digests: bool = False) -> list[Partition]:
    """Every partition, read and judged; ``brokers`` must be set, the topics be there."""
    async with LogReader(settings.connection()) as reader:
        bounds = {
            (short, number): await reader.bounds(topic_name(settings.topic_prefix, short), number)
            for short in _READ
            for number in range(settings.partitions)
        }
        total, done = sum(end - first for first, end in bounds.values()), 0

        def step(records: int) -> None:
            nonlocal done
            done += records
            progress(min(done, total), total)

        return [await _read(reader, settings, number, step, keep_digests) for number in range(settings.partitions)]


async def _read(
    reader: LogReader, settings: Settings, number: int, step: Callable[[int], None], keep_digests: bool
) -> Partition:
    anonymized, aggregated = [
        await _fence(reader, topic_name(settings.topic_prefix, short), number)
        for short in ("anonymize-state", "aggregate-state")
    ]
    sink = SinkFigures()
    async for record in _records(reader, settings, "aggregates", number, step):
        sink.add(record.value)
    corrections = PartitionCorrections(number, settings.partitions)
    async for record in _records(reader, settings, "corrections", number, step):
        corrections.add(record.offset, record.key, record.value)
    books = PartitionBooks(number, settings.partitions)
    async for record in _records(reader, settings, "ledger", number, step):
        books.add(record.offset, record.key, record.value)
    books.finish()
    last = books.hours[-1] if books.hours else None
    start, end, open_at, closing_at = await _behind(reader, settings, number, last)
    return Partition(
        number,
        books.hours,
        [each for by_revision in corrections.by_id.values() for each in by_revision.values()],
        [*books.findings, *corrections.check(sink, books.hours)],
        Tail(start, end, open_at, closing_at, anonymized, aggregated),
        books.digests if keep_digests else {},
    )


async def _fence(reader: LogReader, topic: str, number: int) -> int:
    entry = (await last_entry(reader, topic, number)).get(ENTRY_KEY)
    return -1 if entry is None else fence_of(entry)


async def _records(
    reader: LogReader, settings: Settings, short: str, number: int, step: Callable[[int], None]
) -> AsyncIterator[RawRecord]:
    topic = topic_name(settings.topic_prefix, short)
    async for records in reader.records(topic, number, *await reader.bounds(topic, number)):
        step(len(records))
        for record in records:
            yield record


async def _behind(
    reader: LogReader, settings: Settings, number: int, last: ClosedHour | None
) -> tuple[int, int, int, int]:
    """What raw has behind the books, by offsets and append times alone: no record of it is read."""
    topic = topic_name(settings.topic_prefix, "raw")
    start, end = await reader.bounds(topic, number)
    opened = await reader.first_after(topic, number, last.start + HOUR_MS if last else 0)
    if opened is None:
        return start, end, -1, -1
    closing = await reader.first_after(topic, number, opened[1] - opened[1] % HOUR_MS + HOUR_MS)
    return start, end, opened[1], -1 if closing is None else closing[0]
