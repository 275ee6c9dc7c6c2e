"""Owner of a raw partition: folds records into one clean record a chunk, rejections, moves and state."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, suppress
from typing import Final, Self

import msgspec

from agents.core.anonymizing import FOLD_HEADER, TICK_HEADER, AnonymizeFold
from agents.core.decode import record_bytes
from agents.core.fast_decode import decode
from agents.core.joins import JoinedLog
from agents.core.native import Records
from agents.core.pseudonyms import Pseudonyms
from agents.core.raw_state import Folded
from agents.core.records import RawRecord
from pipeline.kafka.batch import Batch
from pipeline.kafka.parts import parts
from pipeline.worker.appender import OUTPUT_BATCH_BYTES
from pipeline.worker.owner import Context, Owner
from schemas.clean import decode_chunk, encode_chunk

__all__ = ["RawOwner"]

_CHUNK_RECORDS: Final = 20_000
_CHUNK_BYTES: Final = 4 << 20
_CHUNKS_BACK: Final = 5


class RawOwner(Owner[RawRecord]):
    """Reads ``raw``; writes ``clean``, ``rejected``, ``ledger``, its changelog, and back to ``raw`` moves and ticks."""

    source = "raw"
    outputs = ("clean",)

    def __init__(self, context: Context, partition: int, pseudonyms: Pseudonyms, digest: str) -> None:
        super().__init__(context, partition)
        settings = context.settings
        self._own_digest = digest
        self._ticked_at = -settings.idle_after.total_seconds()
        self.fold = AnonymizeFold(
            settings.deciding(),
            pseudonyms,
            decode,
            topic=context.topic("raw"),
            partition=partition,
            partitions=settings.partitions,
            digest=digest,
            record_duplicates=settings.record_duplicates,
        )

    @property
    def closing_watermark(self) -> int:
        """See :class:`Owner`."""
        return self.fold.entry.closing_watermark

    def tell(self) -> None:
        """See :class:`Owner`."""
        super().tell()
        operations = self.context.operations
        operations.bounded(self.partition, self.fold.peaks)
        operations.withdrawn(self.partition, self.fold.closed_companies, self.fold.entry.unknown_withdrew)

    def take_up(self, joined: JoinedLog) -> None:
        """See :class:`Owner`."""
        self.fold.take_up(joined)
        self.position = self.fold.entry.fence + 1

    def is_dead(self, key: bytes, value: bytes) -> bool:
        """See :class:`Owner`."""
        return self.fold.is_dead(key, value)

    def adopt(self, former: Self) -> None:
        """See :class:`Owner`."""
        self.fold = former.fold

    def skip_to(self, first: int) -> None:
        """See :class:`Owner`."""
        self.fold.skip_to(first)

    async def made_anew(self) -> bool:
        """See :class:`Owner`: the last record that was folded would be younger than any that was."""
        last, raw, reader = self.fold.entry.fence, self.context.topic("raw"), self.context.reader
        if last < (await reader.bounds(raw, self.partition))[0]:
            return False
        async with aclosing(reader.records(raw, self.partition, last, last + 1)) as found:
            async for records in found:
                for record in records:
                    return record.append_time > self.fold.entry.append_time
        return False

    async def is_in_force(self) -> bool:
        """See :class:`Owner`: as the last chunk up to the fence says; one more may be written, whose state is not."""
        clean, reader, found = self.context.topic("clean"), self.context.reader, (-1, "")
        first, end = await reader.bounds(clean, self.partition)
        async for records in reader.records(clean, self.partition, max(first, end - _CHUNKS_BACK), end):
            for record in records:
                with suppress(msgspec.MsgspecError):
                    chunk = decode_chunk(bytes(record.value or b""))
                    if chunk.last <= self.fold.entry.fence:
                        found = max(found, (chunk.last, chunk.digest))
        return found[1] == self._own_digest

    async def mend_outputs(self, *, fresh: bool) -> None:
        """The first entry; ``clean``, ``rejected`` and ``ledger`` need no mending, their readers drop repeats."""
        if fresh:
            await self.write(self.fold.first_writes())
        if self.fold.digest != self._own_digest:
            self.holding = await self._announced()
            self.left = None if self.holding else self.fold.digest

    async def _announced(self) -> bool:
        """Whether a control record of our own digest lies ahead, up to which another release folds."""
        raw = self.context.topic("raw")
        async for records in self.context.reader.records(raw, self.partition, self.position, self.end):
            for record in records:
                if record.value is None and [*record.headers] == [(FOLD_HEADER, self._own_digest.encode())]:
                    return True
        return False

    def read(self, batches: Sequence[Batch]) -> Iterator[Sequence[RawRecord]]:
        """See :class:`Owner`."""
        return parts(batches, RawRecord)

    async def handle(self, records: Sequence[RawRecord]) -> None:
        """See :class:`Owner`."""
        rest = _after(records, self.fold.entry.fence)
        while rest and not self.holding and self.left is None and await self.may_begin():
            began = time.perf_counter()
            folded = self.fold.fold(rest[: _fitting(rest)])
            rest = rest[folded.count :]
            self.context.operations.folded_raw(folded, self.fold.entry, time.perf_counter() - began)
            self.context.at("outputs")
            await self._write_outputs(folded)
            self.context.at("outputs-written")
            await self.write(folded.writes)
            self.context.at("state-written")
            self.advanced(self.fold.entry.fence + 1)
            if self.fold.digest != self._own_digest:
                self.left = self.fold.digest

    async def _write_outputs(self, folded: Folded) -> None:
        append, topic = self.context.appender.append, self.context.topic
        appends = [append(topic("clean"), self.partition, [(None, encode_chunk(folded.chunk), ())])]
        if folded.rejected:
            rows = [(key, value, ()) for key, value in folded.rejected]
            appends.append(append(topic("rejected"), self.partition, rows, OUTPUT_BATCH_BYTES))
        if folded.ledger:
            rows_closed = [(key, value, ()) for key, value in folded.ledger]
            appends.append(append(topic("ledger"), self.partition, rows_closed, OUTPUT_BATCH_BYTES))
        homes: dict[int, list[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]]] = {}
        for move in folded.moves:
            homes.setdefault(move.partition, []).append((move.key, move.value, move.headers))
        for home, rows_home in homes.items():
            appends.append(append(topic("raw"), home, rows_home, OUTPUT_BATCH_BYTES))
        await asyncio.gather(*appends)

    async def in_between(self) -> None:
        """Append a tick where one is due and the log was read to its end."""
        idle = self.context.settings.idle_after.total_seconds()
        if self.holding or self.left or time.monotonic() - self._ticked_at < idle:
            return
        if not self.fold.tick_due(int(self.context.wall() * 1000)):
            return
        raw = self.context.topic("raw")
        self.end = max(self.end, await self.context.reader.end(raw, self.partition))
        if not self.lag:  # markers of transactions may be left
            self._ticked_at = time.monotonic()
            await self.context.appender.append(raw, self.partition, [(None, None, [(TICK_HEADER, b"1")])])


def _after(records: Sequence[RawRecord], fence: int) -> Sequence[RawRecord]:
    if isinstance(records, Records):
        return records.after(fence)
    return [record for record in records if record.offset > fence]


def _fitting(records: Sequence[RawRecord]) -> int:
    """How many of the records make a chunk: by number, and by their bytes; at least one."""
    if isinstance(records, Records):
        return records.fitting(_CHUNK_RECORDS, _CHUNK_BYTES)
    size = 0
    for count, record in enumerate(records[:_CHUNK_RECORDS]):
        size += record_bytes(record)
        if size > _CHUNK_BYTES:
            return max(count, 1)
    return min(len(records), _CHUNK_RECORDS)
