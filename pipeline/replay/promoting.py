"""Copying to the live sink what it lacks of a replay, and to worker aggregate's state what belongs to that.

A figure that may still change must be known to the state, else its next late event would begin it anew at 1, under a
higher revision than that of the copy. So state goes before sink, and corrections before both, as in the worker; and
whatever is cut short is done by doing it again.
"""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Final, NamedTuple

from agents.core.count.figure import Figure
from agents.core.count.figures import Figures
from agents.core.count.pending_windows import read_pending
from agents.core.count.plan import Plan
from agents.core.count.state import Entry, read_figure, span_expired
from agents.core.replay.refold import Emitted
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.records import StateWrite
from agents.core.shared.windows import NEVER
from pipeline.broker.begun import readable_state
from pipeline.errors import StartupError
from pipeline.kafka.appender import OUTPUT_BATCH_BYTES, Appender, ForeignWriteError, SoleLog
from pipeline.kafka.reader import LogReader
from pipeline.replay.comparing import Compared, note_surplus
from pipeline.replay.folding import Folding, replay_partition, rows_of
from pipeline.replay.live import Judge, Standing, Verdict, live_figures, standing_of
from pipeline.replay.start import Stretch
from schemas.topics import topic_name
from schemas.wire.aggregates import Status

__all__ = ["Promotion"]

_ROWS: Final = 2000
_BATCH_ROWS: Final = 20_000
"""Of one batch, whose topic takes 2 MB."""


class _Decision(NamedTuple):
    """What becomes of one replayed figure."""

    verdict: Verdict
    copy: bool = False
    seed: bool = False


class Promotion:
    """One partition: first ``judge``, which writes nothing, then ``write`` where nothing differs."""

    def __init__(self, folding: Folding, stretch: Stretch, name: str) -> None:
        self.compared = Compared()
        self.lacking = 0
        """Figures to be written."""
        self._folding = folding
        self._stretch = stretch
        self._name = name
        self._deciding = folding.settings.deciding()
        prefix = folding.settings.topic_prefix
        self._state_topic, self._live_topic = topic_name(prefix, "aggregate-state"), topic_name(prefix, "aggregates")
        self._ends = (0, 0)
        self._seeds = False
        self._entry: Entry
        self._judge: Judge
        self._held: dict[bytes, list[int]] = {}
        self._live: dict[bytes, Standing] = {}

    async def judge(self) -> None:
        """Check the replay's sink against the log once more, then every figure against the live sink and the state."""
        await replay_partition(self._folding, self._stretch, self._name, _appending_nothing, _nothing)
        self._ends = await self._load()
        alone = dict(self._live)
        async with aclosing(rows_of(self._folding.reader, self._name, self._stretch.partition)) as rows:
            async for key, value in rows:
                wanted, live = standing_of(value), alone.pop(key, None)
                decision = self._decide(key, wanted)
                self.lacking += decision.copy or decision.seed
                self._seeds = self._seeds or decision.seed
                self.compared.add(key, decision.verdict, wanted, live)
        note_surplus(self.compared, self._judge, alone, self._deciding)
        for figure in self._judge.refold.unshown():
            wanted = _unshown(figure)
            decision = self._decide(figure.id, wanted)
            self.lacking += decision.seed
            self._seeds = self._seeds or decision.seed
            if decision.verdict is Verdict.DIFFERENT:
                held = self._held[figure.id]
                self.compared.add(figure.id, decision.verdict, wanted, Standing(2 * held[1], held[0], wanted.status))
        self._held, self._live = {}, {}  # of one partition at a time
        if self._seeds:
            self._require_place()

    async def _load(self) -> tuple[int, int]:
        """Read the state's and the live sink's figures of the period; the ends of both up to which that holds."""
        reader, partition, period = self._folding.reader, self._stretch.partition, self._folding.request.period
        joined, (first, end) = JoinedLog(), await reader.bounds(self._state_topic, partition)
        async with aclosing(reader.records(self._state_topic, partition, first, end)) as log:
            async for records in log:
                for record in records:
                    key = bytes(record.key or b"")
                    if key == ENTRY_KEY or key[:1] in {b"f", b"w"}:
                        joined.apply(key, None if record.value is None else bytes(record.value))
        partitions = self._folding.settings.partitions
        entry = joined.get(ENTRY_KEY)
        with readable_state(self._state_topic, partition, partitions):
            self._entry = Entry(partitions=partitions) if entry is None else Entry.read(entry, partitions)
            self._held = {
                identity: figure
                for identity, figure in self._figures_of(joined)
                if period.span(identity.decode(), self._deciding) is not None
            }
        sink_end = await reader.end(self._live_topic, partition)
        self._live = await live_figures(reader, self._live_topic, partition, period, self._deciding)
        self._judge = Judge(self._folding.refolds[partition], self._entry)
        return end, sink_end

    def _figures_of(self, joined: JoinedLog) -> Iterator[tuple[bytes, list[int]]]:
        """Ids and figures, last those that lie ahead; of what a former release left there that is the later word."""
        for key, value in joined.items():
            if key[:1] == b"f":
                yield key[1:], [*read_figure(value)[:3]]
        for key, value in joined.items():
            if key[:1] == b"w":
                pending = Figures(self._deciding, Plan(self._deciding.catalogue).slides)
                pending.restore_pending(key[1:].decode(), *read_pending(value))
                for figure in pending.unshown(NEVER):
                    yield figure.id, [figure.value, figure.last, figure.corrected]

    def _require_place(self) -> None:
        """Refuse where the state does not say what a figure that it lacks comes to at its fence."""
        refold, partition = self._judge.refold, self._stretch.partition
        reached, fence = refold.entry.fence, self._entry.fence
        if fence < reached:
            raise StartupError(
                f"worker aggregate has not got to the replay's end in partition {partition}",
                "let it run until it has, stop it, and promote again",
            )
        if fence > reached and refold.digest.partition("-")[0] != self._folding.request.digest:
            raise StartupError(
                f"in partition {partition} another release counted behind the replay's end",
                "replay again with worker aggregate stopped",
            )

    def _decide(self, key: bytes, wanted: Standing | None) -> _Decision:
        span = self._folding.request.period.span(key.decode(), self._deciding)
        assert span is not None
        assert wanted is not None
        live, held, verdict = self._live.get(key), self._held.get(key), Verdict.DIFFERENT
        seed = held is None and not span_expired(span, self._entry, self._deciding)
        as_held = held == [wanted.value, wanted.last, wanted.status == Status.CORRECTED]
        if live is not None:
            verdict = self._judge.of(span, wanted, live)
            if verdict is Verdict.BEHIND and not (as_held or self._went_on(wanted, held)):
                verdict = Verdict.DIFFERENT  # worker aggregate would never say so
            return _Decision(verdict, seed=seed and verdict is Verdict.EQUAL)
        if held is None or as_held:
            return _Decision(Verdict.EQUAL, copy=True, seed=seed)
        return _Decision(Verdict.MOVED_ON if self._went_on(wanted, held) else Verdict.DIFFERENT)

    def _went_on(self, wanted: Standing, held: list[int] | None) -> bool:
        """Whether worker aggregate's state counted more behind the replay's end."""
        more = held is not None and (wanted.may_fall or held[0] > wanted.value)
        return more and held is not None and held[1] > self._judge.refold.entry.fence

    async def write(self, appender: Appender) -> None:
        """Write what was found lacking; refuses where state or sink are not as they were when they were judged."""
        if not self.lacking:
            return
        reader, partition = self._folding.reader, self._stretch.partition
        if await self._load() != self._ends:
            raise _foreign()
        state = SoleLog(appender, self._state_topic, partition, self._ends[0])
        sink = SoleLog(appender, self._live_topic, partition, self._ends[1])
        corrections = topic_name(self._folding.settings.topic_prefix, "corrections")
        writing = _Writing(appender, corrections, state, sink, StateWrite(ENTRY_KEY, self._entry.write()))

        async def put(emitted: Emitted) -> None:
            decision = self._decide(emitted.figure.id, standing_of(emitted.record))
            if decision.seed or decision.copy:
                writing.corrections += [(*change.record(partition), ()) for change in emitted.late]
            if decision.seed:
                writing.state += self._folding.refolds[partition].state_of(emitted.figure, self._entry.fence)
            if decision.copy:
                writing.sink.append((emitted.figure.id, emitted.record))
            if writing.rows >= _ROWS:
                await writing.flush()

        await replay_partition(self._folding, self._stretch, self._name, _appending_nothing, put)
        refold = self._folding.refolds[partition]
        for figure in refold.unshown():
            if self._decide(figure.id, _unshown(figure)).seed:
                writing.state += refold.state_of(figure, self._entry.fence)
        await writing.flush()
        await writing.look(reader, partition)
        self._held, self._live = {}, {}


class _Writing:
    """Corrections, then state, then sink, in batches, as the sole writer of the last two; repeats are no harm."""

    def __init__(self, appender: Appender, topic: str, state: SoleLog, sink: SoleLog, entry: StateWrite) -> None:
        self.corrections: list[tuple[bytes, bytes, tuple[()]]] = []
        self._appender = appender
        self._topic = topic
        self.state: list[StateWrite] = []
        self.sink: list[tuple[bytes, bytes]] = []
        self._logs = (state, sink)
        self._entry = entry

    @property
    def rows(self) -> int:
        """How many have come together."""
        return len(self.corrections) + len(self.state) + len(self.sink)

    async def flush(self) -> None:
        """Write what has come together; refuses where worker aggregate wrote meanwhile."""
        state, sink = self._logs
        if self.corrections:
            await self._appender.append(self._topic, sink.partition, self.corrections, OUTPUT_BATCH_BYTES)
        try:
            for begin in range(0, len(self.state), _BATCH_ROWS):
                rows = [*self.state[begin : begin + _BATCH_ROWS], self._entry]
                await state.append(((each.key, each.value, ()) for each in rows), whole=True)
            if self.sink:
                await sink.append((key, value, ()) for key, value in self.sink)
        except ForeignWriteError:
            raise _foreign() from None
        self.corrections.clear()
        self.state.clear()
        self.sink.clear()

    async def look(self, reader: LogReader, partition: int) -> None:
        """Refuse where somebody else wrote."""
        try:
            for log in self._logs:
                log.found(await reader.end(log.topic, partition))
        except ForeignWriteError:
            raise _foreign() from None


def _foreign() -> StartupError:
    return StartupError(
        "worker aggregate wrote while figures were promoted", "stop it, and promote again before it starts"
    )


def _unshown(figure: Figure) -> Standing:
    """How a figure stands that no sink tells."""
    return Standing(figure.revision(NEVER), figure.value, Status.PROVISIONAL)


async def _appending_nothing() -> None:
    return None


async def _nothing(_: Emitted) -> None:
    return None
