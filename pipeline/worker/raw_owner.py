"""Owner of a raw partition: folds records into one clean record a chunk, rejections, moves and state."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Final, Self

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.accept.state import Folded
from agents.core.native import Records
from agents.core.shared.control import TICK_HEADER, ControlKeys, InForce
from agents.core.shared.joins import JoinedLog
from agents.core.shared.records import RawRecord
from pipeline.kafka.appender import OUTPUT_BATCH_BYTES
from pipeline.kafka.batch import Batch
from pipeline.kafka.parts import HEADER_WEIGHT, parts, weight_of
from pipeline.worker.context import Context
from pipeline.worker.owner import Owner
from pipeline.worker.releases import Stand, Way
from schemas.flow import STAGES
from schemas.reasons import Reason
from schemas.wire.clean import encode_chunk

__all__ = ["RawOwner", "fitting"]

_CHUNK_RECORDS: Final = 20_000
_CHUNK_BYTES: Final = 4 << 20


class RawOwner(Owner[RawRecord]):
    """Reads ``raw``; writes ``clean``, ``rejected``, ``ledger``, its changelog, and back to ``raw`` moves and ticks."""

    stage = STAGES["anonymize"]

    def __init__(
        self, context: Context, partition: int, pseudonyms: Pseudonyms, control: ControlKeys, digest: str
    ) -> None:
        super().__init__(context, partition, digest)
        settings = context.settings
        self._ticked_at = -settings.idle_after.total_seconds()
        self.fold = AnonymizeFold(
            settings.deciding(),
            pseudonyms,
            topic=context.topic("raw"),
            partition=partition,
            partitions=settings.partitions,
            digest=digest,
            control=control,
            record_duplicates=settings.record_duplicates,
        )

    @property
    def closing_watermark(self) -> int:
        """See :class:`Owner`."""
        return self.fold.entry.closing_watermark

    def publish_metrics(self) -> None:
        """See :class:`Owner`."""
        super().publish_metrics()
        operations = self.context.operations
        operations.bounded(self.partition, self.fold.peaks)
        operations.withdrawn(self.partition, self.fold.closed_companies, self.fold.entry.unknown_withdrew)

    def restore_from(self, joined: JoinedLog) -> None:
        """See :class:`Owner`."""
        self.fold.restore_from(joined)
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

    @property
    def in_force(self) -> InForce:
        """See :class:`Owner`."""
        return self.fold.entry.in_force

    async def stand(self) -> Stand:
        """See :class:`Owner`. One that nobody has folded stands as the others, or its own control records, say."""
        first, present = self.others
        if not self.fresh and self.fold.digest == self.own:
            return Stand(self.partition, self.own, self.in_force.digests[:-1])
        if self.fresh and (first is None or {first} == present == {self.own}):
            return Stand(self.partition, first)
        if self.fresh and first is not None:
            self.fold.begin_under(first)
        way = await self.look_ahead()
        if self.fresh and not way.under:
            self.fold.begin_under(self.own)
            return Stand(self.partition, None)
        left = None if way.brings is None else way.left
        return Stand(self.partition, self.fold.digest, self.in_force.digests[:-1], left)

    async def look_ahead(self) -> Way:
        """See :class:`Owner`; "" where no control record lies ahead."""
        backlog = self.fold.backlog()
        async with aclosing(self.context.reader.records(*self._read_backlog(self.end))) as found:
            async for records in found:
                if backlog.scan(records):
                    break
        announced = backlog.in_force.number > self.in_force.number
        return Way(backlog.brings, backlog.others, self.fold.digest if announced else "")

    async def fold_up_to(self, offset: int) -> None:
        """See :class:`Owner`."""
        async for records in self.context.reader.records(*self._read_backlog(offset + 1)):
            await self.handle(records)

    def _read_backlog(self, end: int) -> tuple[str, int, int, int]:
        return self.context.topic("raw"), self.partition, self.position, end

    async def mend_outputs(self, *, fresh: bool) -> None:
        """The first entry; ``clean``, ``rejected`` and ``ledger`` need no mending, their readers drop repeats."""
        if fresh or self.fold.learn():
            await self.write([self.fold.entry_write()])

    def read(self, batches: Sequence[Batch]) -> Iterator[Sequence[RawRecord]]:
        """See :class:`Owner`."""
        return parts(batches, RawRecord)

    async def handle(self, records: Sequence[RawRecord]) -> None:
        """See :class:`Owner`."""
        rest = _after(records, self.fold.entry.fence)
        while rest and self.folds and await self.may_begin():
            began, was_own = time.perf_counter(), self.fold.digest == self.own
            folded = self.fold.fold(rest[: fitting(rest)])
            rest = rest[folded.count :]
            self.context.operations.folded_raw(folded, self.fold.entry, time.perf_counter() - began)
            self.context.at("outputs")
            await self._write_outputs(folded)
            self.context.at("outputs-written")
            await self.write(folded.writes)
            self.context.at("state-written")
            self.advanced(self.fold.entry.fence + 1)
            self._log_unreadable(folded)
            if was_own and self.fold.digest != self.own:
                self.left = self.fold.digest

    def _log_unreadable(self, folded: Folded) -> None:
        """One line a chunk: where something was that is no record, and nothing of it."""
        if folded.reasons[Reason.UNREADABLE]:
            offsets = [each.offset for each in folded.rejections if each.reason is Reason.UNREADABLE]
            self.log.warning("unreadable", number=len(offsets), first=offsets[0], last=offsets[-1])

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
        if not self.folds or time.monotonic() - self._ticked_at < idle:
            return
        if not self.fold.tick_due(int(self.context.wall() * 1000), self.assigned_at):
            return
        raw = self.context.topic("raw")
        self.end = max(self.end, await self.context.reader.end(raw, self.partition))
        if not self.lag:  # markers of transactions may be left
            self._ticked_at = time.monotonic()
            await self.context.appender.append(raw, self.partition, [(None, None, [(TICK_HEADER, self.fold.tick())])])


def _after(records: Sequence[RawRecord], fence: int) -> Sequence[RawRecord]:
    if isinstance(records, Records):
        return records.after(fence)
    return [record for record in records if record.offset > fence]


def fitting(records: Sequence[RawRecord]) -> int:
    """How many of the records make a chunk: by number, and by their weight; at least one."""
    if isinstance(records, Records):
        return records.fitting(_CHUNK_RECORDS, _CHUNK_BYTES, HEADER_WEIGHT)
    size = 0
    for count, record in enumerate(records[:_CHUNK_RECORDS]):
        size += weight_of(record)
        if size > _CHUNK_BYTES:
            return max(count, 1)
    return min(len(records), _CHUNK_RECORDS)
