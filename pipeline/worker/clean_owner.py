"""Owner of a clean partition: folds chunks into figures, and keeps the sink up to them."""

import time
from collections.abc import AsyncGenerator, Container, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Final, Self

import orjson

from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold, GapError
from agents.core.count.state import StateError
from agents.core.shared.control import InForce
from agents.core.shared.joins import JoinedLog
from agents.core.shared.records import LateChange, RawRecord
from pipeline.broker.begun import known_chunk
from pipeline.errors import StartupError
from pipeline.kafka.appender import OUTPUT_BATCH_BYTES, SoleLog
from pipeline.kafka.batch import Batch
from pipeline.kafka.parts import parts
from pipeline.kafka.trusted import admitted
from pipeline.worker.context import Context
from pipeline.worker.owner import Owner
from pipeline.worker.releases import Stand, Way
from schemas.deciding import deciding_part
from schemas.flow import STAGES
from schemas.wire.clean import CleanChunk

__all__ = ["CleanOwner", "Stored"]

Stored = tuple[int, bytes]
"""Clean offset and bytes of a chunk."""
_DRAWN: Final = 5000
"""Of one batch of corrections, whose topic takes 2 MB."""


class CleanOwner(Owner[Stored]):
    """Reads ``clean``; writes ``corrections``, its changelog and ``aggregates``."""

    stage = STAGES["aggregate"]

    def __init__(self, context: Context, partition: int, digest: str) -> None:
        super().__init__(context, partition, deciding_part(digest))
        self.fold = AggregateFold(context.settings.deciding(), partition)
        self.emission = Emission(self.fold)
        self.sink: SoleLog
        self._interval = context.settings.emit_interval.total_seconds()
        self._emitted_at = 0.0

    @property
    def closing_watermark(self) -> int:
        """See :class:`Owner`."""
        return self.fold.entry.closing_watermark

    def restore_from(self, joined: JoinedLog) -> None:
        """See :class:`Owner`."""
        self.fold.restore_from(joined)
        self.position = self.fold.entry.clean_next

    def is_dead(self, key: bytes, value: bytes) -> bool:
        """See :class:`Owner`."""
        return self.fold.is_dead(key, value)

    def adopt(self, former: Self) -> None:
        """See :class:`Owner`."""
        self.fold = former.fold
        self.emission = Emission(self.fold)

    def skip_to(self, first: int) -> None:
        """See :class:`Owner`."""
        self.fold.entry.clean_next = max(self.fold.entry.clean_next, first)

    async def mend_outputs(self, *, fresh: bool) -> None:
        """Emit again every id found in the sink behind the last acknowledged emission."""
        context, topic = self.context, self.context.topic("aggregates")
        _, end = await context.reader.bounds(topic, self.partition)
        self.sink = SoleLog(context.appender, topic, self.partition, end)
        if fresh:
            await self.write([self.fold.entry_write()])
        rows = await self._again(topic, end)
        for begin in range(0, len(rows), _DRAWN):
            await self.sink.append((key, value, ()) for key, value in rows[begin : begin + _DRAWN])
        self.sink.found(await context.reader.end(topic, self.partition))
        if rows:
            self.log.info("sink_mended", ids=len(rows))

    async def _again(self, topic: str, end: int) -> list[tuple[bytes, bytes]]:
        start = self.fold.entry.sink_next
        highest = await self._highest(topic, start, end)
        rows, gone = [], set()
        for identity in highest:
            try:
                again = self.emission.again(identity)
            except StateError:
                continue  # no id of ours
            if again is not None:
                rows.append(again)
            else:
                gone.add(identity)
        if gone:  # expired, yet written since by an owner that had slept: its last word may lie further back
            first, _ = await self.context.reader.bounds(topic, self.partition)
            highest = await self._highest(topic, first, end, gone)
            rows += [(identity.encode(), value) for identity, (_, value, last) in highest.items() if not last]
        return rows

    async def _highest(
        self, topic: str, start: int, end: int, wanted: Container[str] | None = None
    ) -> dict[str, tuple[int, bytes, bool]]:
        """By id the highest revision from ``start`` to ``end``, its record, and whether it is the id's last."""
        found: dict[str, tuple[int, bytes, bool]] = {}
        async for records in self.context.reader.records(topic, self.partition, start, end):
            for record in records:
                if record.key is None or record.value is None:
                    continue
                identity, value = bytes(record.key).decode("utf-8", "replace"), bytes(record.value)
                if wanted is not None and identity not in wanted:
                    continue
                revision, known = _revision(value), found.get(identity)
                if known is None or revision >= known[0]:
                    found[identity] = (revision, value, True)
                else:
                    found[identity] = (known[0], known[1], False)
        return found

    def read(self, batches: Sequence[Batch]) -> Iterator[Sequence[Stored]]:
        """See :class:`Owner`; raises StartupError."""
        topic = self.context.topic("clean")
        for part in parts(batches, RawRecord):
            yield [(each.offset, each.value or b"") for each in admitted(topic, self.partition, part)]

    async def handle(self, records: Sequence[Stored]) -> None:
        """See :class:`Owner`."""
        chunks = [(offset, self._decoded(offset, value)) for offset, value in records if offset >= self.position]
        while chunks and self.folds and await self.may_begin():
            part, end = self._stretch([chunk for _, chunk in chunks])
            await self._fold(chunks[:part])
            chunks = chunks[part:]
            if end is not None and self.fold.entry.in_force.digest == end:
                self.left = end
            await self.in_between()

    def _stretch(self, chunks: Sequence[CleanChunk]) -> tuple[int, str | None]:
        """How many chunks are for this release, and the digest that the last of them brings where it ends the own one.

        That chunk is a control record's, and holds no event. Repeats of what is folded belong to any release.
        """
        fence = self.fold.entry.fence
        for at, chunk in enumerate(chunks):
            digest = deciding_part(chunk.digest)
            if chunk.last > fence and digest != self.own:
                if len(chunk.offsets):
                    raise StartupError(
                        f"{self.context.topic('clean')} partition {self.partition} goes on under {digest} without a"
                        " control record",
                        "find out who else writes to that topic",
                    )
                return at + 1, digest
            fence = max(fence, chunk.last)
        return len(chunks), None

    async def _fold(self, chunks: Sequence[tuple[int, CleanChunk]]) -> None:
        """Fold and write, batch by batch."""
        began, done = time.perf_counter(), self.fold.folded
        try:
            for part in self.fold.fold(chunks, accept_gap=self.context.accept_gap):
                seconds, events = time.perf_counter() - began, self.fold.folded - done
                self.context.operations.folded_clean(events, seconds, self.fold.bounds.drain())
                await self._correct(part.corrections)
                self.context.at("state")
                await self.write(part.writes)
                self.context.at("state-written")
                self.advanced(self.fold.entry.clean_next)
                if self._closing.is_set():
                    return
                began, done = time.perf_counter(), self.fold.folded
        except GapError as gap:
            raise StartupError(
                f"events lost in {self.context.topic('clean')} partition {gap.partition}: raw offsets"
                f" {gap.fence + 1} to {gap.first - 1} are in no chunk",
                "go on without them by --accept-gap",
            ) from None

    async def _correct(self, corrections: Sequence[LateChange]) -> None:
        """Before the state of the same events: a crash in between writes the same again, which readers drop."""
        if not corrections:
            return
        context, topic = self.context, self.context.topic("corrections")
        context.at("corrections")
        rest = iter(corrections)
        while some := [*islice(rest, _DRAWN)]:
            rows = [(*change.record(self.partition), ()) for change in some]
            await context.appender.append(topic, self.partition, rows, OUTPUT_BATCH_BYTES)
        context.at("corrections-written")
        context.operations.corrected(len(corrections))

    def _decoded(self, offset: int, value: bytes) -> CleanChunk:
        return known_chunk(value, self.context.topic("clean"), self.partition, offset)

    @property
    def in_force(self) -> InForce:
        """See :class:`Owner`."""
        return self.fold.entry.in_force

    async def stand(self) -> Stand:
        """See :class:`Owner`. Where nothing is folded the first chunk tells, and where there is none it may begin."""
        in_force = self.in_force
        if in_force.digest == self.own:
            return Stand(self.partition, self.own, in_force.digests[:-1])
        way = await self.look_ahead()
        under, past = in_force.digest or way.under or self.own, in_force.digests[:-1]
        if not in_force.digests and way.came:  # from a digest that nothing tells any more
            past = ("",)
        return Stand(self.partition, under, past, None if way.brings is None else way.left)

    async def look_ahead(self) -> Way:
        """See :class:`Owner`; under the digest of the first chunk that is not folded."""
        fence, left, under, came = self.fold.entry.fence, 0, "", False
        async with aclosing(self._read_backlog(self.end)) as chunks:
            async for offset, chunk in chunks:
                digest = deciding_part(chunk.digest)
                if chunk.last <= fence:
                    continue
                if not under:
                    under, came = digest, chunk.number > 0
                if digest == self.own:
                    return Way(offset, left, under, came)
                fence, left = chunk.last, left + bool(len(chunk.offsets))
        return Way(None, left, under, came)

    async def fold_up_to(self, offset: int) -> None:
        """See :class:`Owner`."""
        async with aclosing(self._read_backlog(offset + 1)) as chunks:
            await self._fold([pair async for pair in chunks])

    async def _read_backlog(self, end: int) -> AsyncGenerator[tuple[int, CleanChunk]]:
        reader, topic = self.context.reader, self.context.topic("clean")
        async with aclosing(reader.records(topic, self.partition, self.position, end)) as found:
            async for records in found:
                for record in records:
                    yield record.offset, self._decoded(record.offset, bytes(record.value or b""))

    # ---- emission

    def pause(self) -> float:
        """See :class:`Owner`."""
        return min(0.5, self._interval / 4)

    async def in_between(self) -> None:
        """One round of emission each interval, which the folding of further chunks interrupts at most in between."""
        if time.monotonic() - self._emitted_at < self._interval * 0.8:
            return
        self._emitted_at = time.monotonic()
        if not self.emission.begin():
            return
        self.context.at("emission")
        emitted = 0
        while self.emission.under_way:
            rows = self.emission.draw(_DRAWN)
            emitted += len(rows)
            if rows:
                await self.sink.append((key, value, ()) for key, value in rows)
        self.context.at("emission-drawn")
        await self.write([self.emission.finish(self.sink.end)])
        self.context.at("emission-written")
        self.context.operations.emitted(emitted)

    def publish_metrics(self) -> None:
        """See :class:`Owner`."""
        super().publish_metrics()
        self.context.operations.holds(self.partition, self.fold)
        self.context.operations.bounded(self.partition, self.fold.bounds.peaks)

    async def check_foreign(self) -> None:
        """See :class:`Owner`."""
        await super().check_foreign()
        self.sink.found(await self.context.reader.end(self.sink.topic, self.partition))


def _revision(value: bytes) -> int:
    try:
        return int(orjson.loads(value)["revision"])
    except (ValueError, KeyError, TypeError):
        return -1
