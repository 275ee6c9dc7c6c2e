"""Folding the period again, partition after partition, into the replay's own sink.

What a partition of that sink holds is a function of the log: the figures in the order in which they are settled, each
once. So whatever is there already is compared, byte for byte, and the rest is appended: that is how an interrupted
replay goes on, and how one that was done is checked again.
"""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.fold import GapError
from agents.core.count.state import Entry
from agents.core.replay.completing import completed, offsets_needed
from agents.core.replay.refold import Emitted, Refold
from agents.core.shared.records import RawRecord
from pipeline.broker.begun import known_chunk
from pipeline.errors import StartupError
from pipeline.kafka.appender import ForeignWriteError, SoleLog
from pipeline.kafka.reader import LogReader
from pipeline.replay.request import NOTE_KEY, Request
from pipeline.replay.start import Peek, Stretch, first_needed
from pipeline.settings.settings import Settings
from schemas.deciding import KEY_DIGITS, key_parts
from schemas.topics import topic_name
from schemas.wire.clean import CleanChunk

__all__ = ["Folding", "Put", "Written", "has_pseudonyms", "replay_partition", "rows_of"]

_APPENDED: Final = 2000

Row = tuple[bytes, bytes]


class Written(NamedTuple):
    """Of a partition of the replay's sink: rows found there, and rows appended."""

    found: int
    appended: int


Put = Callable[[Emitted], Awaitable[None]]
"""Called with every figure, in order."""


@dataclass(slots=True)
class Folding:
    """What a run has at hand. ``moved`` is called with a partition and how many of its clean offsets are done."""

    settings: Settings
    request: Request
    reader: LogReader
    peek: Peek
    entries: dict[int, Entry]
    pseudonyms: Pseudonyms | None
    moved: Callable[[int, int], None]
    refolds: dict[int, Refold] = field(default_factory=dict)

    async def emitted(self, stretch: Stretch, *, whole: bool) -> AsyncGenerator[Emitted]:
        """The figures of one partition; with ``whole`` every chunk is read that is left."""
        request, partition = self.request, stretch.partition
        refold = self.refolds[partition] = Refold(self.settings.deciding(), partition, request.period)
        entry, at = self.entries.get(partition), stretch.first
        if not (whole or request.accept_gap):
            at = await first_needed(self.peek, stretch, entry, request.period.begin)
        if at == stretch.end and entry is not None:
            refold.entry.fence, refold.entry.closing_watermark = entry.fence, entry.closing_watermark
        self.moved(partition, at - stretch.first)
        raw = _Raw(self.reader, topic_name(self.settings.topic_prefix, "raw"), partition)
        async with aclosing(raw.log), aclosing(self._chunks(stretch, at)) as chunks:
            async for offset, stored in chunks:
                chunk = await self._completed(stored, refold, raw)
                for each in refold.fold(offset, chunk, accept_gap=request.accept_gap):
                    yield each
                self.moved(partition, offset + 1 - stretch.first)
                if refold.is_settled:
                    break
        for each in refold.rest():
            yield each
        self.moved(partition, stretch.end - stretch.first)

    async def _chunks(self, stretch: Stretch, at: int) -> AsyncGenerator[tuple[int, CleanChunk]]:
        topic, partition = self.peek.topic, stretch.partition
        async with aclosing(self.reader.records(topic, partition, at, stretch.end)) as log:
            async for records in log:
                for record in records:
                    if record.offset != at:
                        raise StartupError(f"{topic} partition {partition} was cut off meanwhile", "begin later")
                    at += 1
                    yield record.offset, known_chunk(record.value, topic, partition, record.offset)

    async def _completed(self, chunk: CleanChunk, refold: Refold, raw: "_Raw") -> CleanChunk:
        """With the fields of today from raw, where those are asked for and the chunk has the same key's pseudonyms."""
        keys = self.pseudonyms
        if keys is None or not has_pseudonyms(chunk, keys):
            return chunk
        catalogue = self.settings.deciding().catalogue
        wanted = offsets_needed(chunk, refold.entry.fence, catalogue.types)
        return completed(chunk, await raw.read(wanted), keys, catalogue) if wanted else chunk


def has_pseudonyms(chunk: CleanChunk, keys: Pseudonyms) -> bool:
    """Whether the pseudonyms in a chunk were made with these keys."""
    return key_parts(chunk.digest)[0] == keys.fingerprint()[:KEY_DIGITS]


class _Raw:
    """A raw partition, read forward once, only where something of it is wanted."""

    def __init__(self, reader: LogReader, topic: str, partition: int) -> None:
        self._reader = reader
        self._topic = topic
        self._partition = partition
        self._ahead: deque[RawRecord] = deque()
        self._from = 0
        self.log = self._records()

    async def _records(self) -> AsyncGenerator[list[RawRecord]]:
        first, end = await self._reader.bounds(self._topic, self._partition)
        async for records in self._reader.records(self._topic, self._partition, max(first, self._from), end):
            yield records

    async def read(self, wanted: list[int]) -> dict[int, RawRecord]:
        """The records at these offsets, rising and above all asked for before, as far as they are left."""
        self._from = self._from or wanted[0]
        found, needed, ahead = {}, set(wanted), self._ahead
        while True:
            while ahead and ahead[0].offset <= wanted[-1]:
                each = ahead.popleft()
                if each.offset in needed:
                    found[each.offset] = each
            if ahead:
                return found
            try:
                ahead.extend(await anext(self.log))
            except StopAsyncIteration:
                return found


async def rows_of(reader: LogReader, topic: str, partition: int) -> AsyncGenerator[Row]:
    """The figures in a partition of a replay's sink, in order, as (id, record)."""
    first, end = await reader.bounds(topic, partition)
    async with aclosing(reader.records(topic, partition, first, end)) as log:
        async for records in log:
            for record in records:
                if record.key != NOTE_KEY:
                    yield bytes(record.key or b""), bytes(record.value or b"")


async def replay_partition(
    folding: Folding, stretch: Stretch, name: str, open_sink: Callable[[], Awaitable[SoleLog | None]], put: Put
) -> Written:
    """Fold one partition into its sink ``name``; where ``open_sink`` gives None nothing may be missing there."""
    for whole in (False, True):
        try:
            log = await open_sink()
            emitted = folding.emitted(stretch, whole=whole)
            async with aclosing(rows_of(folding.reader, name, stretch.partition)) as there, aclosing(emitted):
                return await _Sink(name, log, there).write(emitted, put)
        except GapError as gap:
            # Reading may have begun among chunks that were repeated: once more, with all of the log.
            if whole:
                raise StartupError(
                    f"events lost in {folding.peek.topic} partition {gap.partition}: raw offsets {gap.fence + 1} to"
                    f" {gap.first - 1} are in no chunk",
                    "go on without them by --accept-gap",
                ) from None
        except ForeignWriteError:
            raise StartupError(f"another program writes to {name}", "let one replay at a time write there") from None
    raise AssertionError("not reached")


class _Sink:
    """A partition of a replay's sink: what is ``there`` is compared, what is missing appended to ``log``."""

    def __init__(self, name: str, log: SoleLog | None, there: AsyncGenerator[Row]) -> None:
        self._name = name
        self._log = log
        self._there = there
        self._rows: list[Row] = []
        self._found = 0

    async def write(self, emitted: AsyncGenerator[Emitted], put: Put) -> Written:
        """Everything that is told, each handed to ``put`` as well."""
        appended = 0
        at_end = False
        async for each in emitted:
            known = None if at_end else await anext(self._there, None)
            if known is not None and known != (each.figure.id, each.record):
                raise self._strange()
            at_end = known is None
            if known is not None:
                self._found += 1
            elif self._log is None:
                raise StartupError(f"{self._name} is not complete", "run the replay to its end first")
            else:
                appended += 1
                await self._append(self._log, (each.figure.id, each.record))
            await put(each)
        if self._log is not None:
            await self._flush(self._log)
        if not at_end and await anext(self._there, None) is not None:
            raise self._strange()
        return Written(self._found, appended)

    async def _append(self, log: SoleLog, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) >= _APPENDED:
            await self._flush(log)

    async def _flush(self, log: SoleLog) -> None:
        if self._rows:
            await log.append((key, value, ()) for key, value in self._rows)
            self._rows.clear()

    def _strange(self) -> StartupError:
        return StartupError(f"{self._name} holds what this replay does not come to", "remove it, and replay again")
