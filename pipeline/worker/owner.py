"""What the owners of raw and clean partitions share: state, the queue of chunks, the right to write, the end."""

import abc
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, Self, TypeVar

import structlog

from agents.core.shared.control import InForce
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.records import StateWrite
from agents.core.shared.standby import Standby
from agents.core.shared.store import OwnStore
from pipeline.broker.begun import readable_state
from pipeline.errors import StartupError
from pipeline.kafka.appender import Appender, SoleLog
from pipeline.kafka.batch import Batch
from pipeline.kafka.reader import LogReader
from pipeline.kafka.recovery import Recovered, joined_entry, last_entry, recover
from pipeline.operations import Operations
from pipeline.settings.settings import Settings
from pipeline.worker.held import Held
from pipeline.worker.intake import STALL_SECONDS, Intake
from pipeline.worker.lease import Lease
from pipeline.worker.releases import NOBODY, Stand, Turn, Way, lies
from schemas.flow import Kind, Stage
from schemas.topics import topic_name
from schemas.wire.operational import RecoveryWay

__all__ = ["Context", "Owner", "Record"]

Record = TypeVar("Record")
_MENDED_ROWS: Final = 2000
_CHECK_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Context:
    """What every owner of a worker is given. ``committed`` tells the group's commit of a partition, None without."""

    kind: Kind
    settings: Settings
    appender: Appender
    lease: Lease
    reader: LogReader
    operations: Operations
    committed: Callable[[int], int | None]
    failed: Callable[[BaseException], None]
    accept_gap: bool
    wall: Callable[[], float] = time.time
    at: Callable[[str], None] = lambda _name: None
    """Called at each of the points of :mod:`pipeline.worker.failpoints`."""
    store: Callable[[int], OwnStore | None] = lambda _partition: None
    """An empty store for an assignment of a partition, None where state lies in memory."""

    whole_end: Callable[[str, int], Awaitable[int]] | None = None
    """Tells where a partition ends, open transactions included; None where nobody looks for those."""

    def topic(self, short: str) -> str:
        """The full name of a topic of the table."""
        return topic_name(self.settings.topic_prefix, short)


class Owner(abc.ABC, Generic[Record]):
    """One assignment of one partition: its own state, its own task; dropped when it is revoked."""

    stage: Stage
    """What it reads and writes."""

    def __init__(self, context: Context, partition: int, own: str) -> None:
        self.context = context
        self.partition = partition
        self.own = own
        """The digest that it folds under, as far as that is compared."""
        self.others = NOBODY
        """What the other partitions say of this one, where nobody has folded it."""
        self.position = 0
        self.end = 0
        self.bare_end = -1
        """An end of the log up to which there was nothing more to read, but markers of transactions."""
        self.moved_at = time.monotonic()
        self.assigned_at = int(context.wall() * 1000)
        """Broker time in ms, as far as this machine's clock tells it."""
        self.restored = False
        self.fresh = True
        """Whether there was no state when it was last looked for."""
        self.waits = 0
        """Records that the release before is to fold first."""
        self.left: str | None = None
        """The digest in force past a control record, where another release is to go on."""
        self.changelog: SoleLog
        self.held = Held()
        """By an open transaction."""
        self._store: OwnStore | None = None
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._checked_at = 0.0
        self.log = structlog.get_logger().bind(worker=context.kind, partition=partition)
        self._intake = Intake(self.log)

    @property
    def ready(self) -> bool:
        """Restored, mended, and at the log's end or moved on within 30 s."""
        if not self.restored or not self.folds or self.held.too_long:
            return False
        return not self.lag or time.monotonic() - self.moved_at < STALL_SECONDS

    @property
    def lag(self) -> int:
        """Offsets between the position and the log's end, 0 where nothing but markers is left."""
        return 0 if self.bare_end == self.end else max(0, self.end - self.position)

    @property
    def folds(self) -> bool:
        """Whether what is read next is for this release to fold."""
        return not self.waits and self.left is None

    def publish_metrics(self) -> None:
        """Set the gauges of this partition."""
        self.context.operations.stands(self, self.closing_watermark)

    # ---- life

    async def survey(self) -> None:
        """Look before joining the group whether events were lost; raises StartupError. Do not use it afterwards."""
        state = self.context.topic(self.stage.state)
        joined = await last_entry(self.context.reader, state, self.partition)
        try:
            await self._judged(joined)
        except StartupError:  # the last entry may be a late writer's while another owner works: all entries
            joined = await joined_entry(self.context.reader, state, self.partition)
            await self._judged(joined)
        if await self.made_anew():
            raise StartupError(
                f"{self.context.topic(self.stage.source)} partition {self.partition} holds other records than those"
                " folded",
                "the topic was made anew; take a new FOOTFALL_TOPIC_PREFIX",
            )

    async def _judged(self, joined: JoinedLog) -> None:
        """Take up state and refuse where its position is not in the source.

        The state was read before the source's ends are asked for, since another owner may move on.
        """
        state = self.context.topic(self.stage.state)
        with readable_state(state, self.partition, self.context.settings.partitions):
            self.restore_from(joined)
        self.fresh = joined.get(ENTRY_KEY) is None
        await self._look_for_position(fresh=self.fresh)

    async def _look_for_position(self, *, fresh: bool) -> None:
        first, self.end = await self.context.reader.bounds(self.context.topic(self.stage.source), self.partition)
        await self._require_position(fresh, first)

    async def restore(self, standby: Standby | None = None, former: Self | None = None) -> int:
        """Recover, mend and check the position; returns the source offset to read on from. Raises StartupError.

        ``standby`` saves reading what it has taken; it is brought up to the log's end, also where this is ended on the
        way. ``former`` is a closed owner of the partition in this process, see :meth:`_go_on`.
        """
        began, context = time.monotonic(), self.context
        joined, found, way = JoinedLog(), Recovered(), RecoveryWay.KEPT
        if former is None or not await self._go_on(former):
            standby = standby or Standby(lambda: context.store(self.partition))
            way = RecoveryWay.STANDBY if standby.next else RecoveryWay.CHANGELOG
            joined, found = await self._recover(standby)
        taken_up = time.monotonic()
        await self._lease_valid()
        stand = await self.stand()
        context.at("mending")
        await self._mend(joined)
        await self.mend_outputs(fresh=self.fresh)
        context.at("mended")
        await self.check_changelog()
        await self._take_turn(stand)
        self.restored = True
        self._intake.begin(self.position)
        self.moved_at = time.monotonic()
        context.operations.recovered(way, self.moved_at - began)
        spent = {"seconds": self.moved_at - began, "reading": found.reading, "joining": found.joining}
        spent |= {"taking_up": taken_up - began - found.reading - found.joining, "mending": self.moved_at - taken_up}
        spent = {name: round(seconds, 3) for name, seconds in spent.items()}
        self.log.info("recovered", way=way, read=found.records, keys=len(joined), position=self.position, **spent)
        return self.position

    async def _recover(self, standby: Standby) -> tuple[JoinedLog, Recovered]:
        """Read on to the changelog's end, and take up what it comes to."""
        state = self.context.topic(self.stage.state)
        found = await recover(self.context.reader, state, self.partition, standby)
        self.changelog = SoleLog(self.context.appender, state, self.partition, found.end)
        joined, self._store = standby.joined, standby.hand_over()
        try:
            await self._judged(joined)
        except StartupError:  # unless nothing was lost, and another owner began here after the state was read
            await self.check_changelog()
            raise
        return joined, found

    async def _go_on(self, former: Self) -> bool:
        """Take over the state of an owner that was closed, if nobody has written since its last acknowledged write.

        It was the sole writer from its recovery on, so its state is then the join of the log, and no key's last record
        is another. The position, the outputs and the ends are looked at as after any recovery.
        """
        log = former.changelog
        if log.end != await self.context.reader.end(log.topic, self.partition):
            former.release()
            return False
        self.adopt(former)
        self.fresh = False
        self._store, former._store = former._store, None
        self.position = former.position
        self.changelog = SoleLog(self.context.appender, log.topic, self.partition, log.end)
        await self._look_for_position(fresh=False)
        return True

    async def _take_turn(self, stand: Stand) -> None:
        """Under another digest: fold what leads to the own one, where that is nothing but ticks and control records."""
        turn = lies(self.own, stand)
        if turn is None:
            self.left = self.in_force.digest
        elif turn is Turn.WAIT:
            self.waits = stand.left or 0
            self.log.warning("waits_for_the_release_before", position=self.position, records=self.waits)
        elif turn is Turn.REFUSED:
            raise StartupError(
                f"partition {self.partition} is under the fold digest {stand.under}, not {self.own} of this worker",
                "start it with what is in force, or announce this one by footfall topics fold",
            )
        elif stand.under not in (self.own, None) and (brings := (await self.look_ahead()).brings) is not None:
            await self.fold_up_to(brings)

    def begin(self) -> None:
        """Start the task that folds what ``take`` hands over."""
        self._task = asyncio.create_task(self._run(), name=f"owner-{self.partition}")

    async def receive(self, batches: Sequence[Batch]) -> int | None:
        """Hand over fetched batches; returns the offset to fetch again from, see :meth:`Intake.put`."""
        return None if self._closing.is_set() else await self._intake.put(batches)

    def starved(self) -> int | None:
        """The offset to fetch again from, see :meth:`Intake.starved`."""
        hungry = bool(self.folds and self.lag and self.context.lease.valid)
        return self._intake.starved(self.position, self.end, hungry=hungry, moved_at=self.moved_at)

    async def close(self) -> None:
        """Finish the chunk in hand, begin none, and end."""
        self._closing.set()
        self._intake.clear()
        if self._task is not None:
            await self._task

    def release(self) -> None:
        """Let go of the state of an owner that is closed."""
        if self._store is not None:
            self._store.close()
            self._store = None

    async def _run(self) -> None:
        try:
            while not self._closing.is_set():
                found = False
                for records in await self._next():
                    found = True
                    await (self.handle(records) if records else asyncio.sleep(0))
                    if self._closing.is_set():
                        break
                if not found and not self._closing.is_set() and self.context.lease.may_begin:
                    await self._look_around()
                if not self._closing.is_set() and self.context.lease.may_begin:
                    await self.in_between()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self.restored = False
            self.context.failed(error)

    async def _next(self) -> Iterable[Sequence[Record]]:
        get = asyncio.ensure_future(self._intake.get())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            done, _ = await asyncio.wait({get, closing}, timeout=self.pause(), return_when=asyncio.FIRST_COMPLETED)
            return self.read(get.result()) if get in done and closing not in done else ()
        finally:
            get.cancel()
            closing.cancel()

    async def _look_around(self) -> None:
        """While idle: the log's end, and whether somebody else wrote where only we do."""
        if time.monotonic() - self._checked_at < _CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        await self.check_foreign()
        topic, reader = self.context.topic(self.stage.source), self.context.reader
        readable = await reader.end(topic, self.partition)
        self.end = max(self.end, readable)
        await self._look_for_transactions(topic, readable)
        if self.position < self.end and not await reader.any_record(topic, self.partition, self.position, self.end):
            self.bare_end = self.end

    async def _look_for_transactions(self, topic: str, readable: int) -> None:
        if self.context.whole_end is None:
            return
        if self.held.look(readable, await self.context.whole_end(topic, self.partition)):
            self.log.warning(
                "held_by_a_transaction",
                topic=topic,
                offset=readable,
                records=self.held.records,
                do="end the producer that began a transaction there; brokers abort it after its timeout",
            )

    async def check_foreign(self) -> None:
        """Raises ForeignWriteError where an end offset lies beyond our own."""
        await self.check_changelog()

    async def check_changelog(self) -> None:
        """As :meth:`check_foreign`, of the changelog alone."""
        self.changelog.found(await self.context.reader.end(self.changelog.topic, self.partition))

    async def may_begin(self) -> bool:
        """Wait until a chunk may be begun; False where none may be any more."""
        while not self._closing.is_set():
            if self.context.lease.may_begin:
                return True
            await asyncio.sleep(0.02)
        return False

    async def _lease_valid(self) -> None:
        while not self.context.lease.valid:  # noqa: ASYNC110 - renewed from another thread
            await asyncio.sleep(0.02)

    def advanced(self, position: int) -> None:
        """The state up to before ``position`` is on the log."""
        self.position = position
        self.end = max(self.end, position)
        self.moved_at = time.monotonic()

    # ---- state

    async def write(self, writes: Sequence[StateWrite]) -> None:
        """One chunk's state as one record batch, acknowledged."""
        await self.changelog.append(((each.key, each.value, ()) for each in writes), whole=True)

    async def _mend(self, joined: JoinedLog) -> None:
        """Write again every key whose last record is not the joined one, the entry last in every batch."""
        entry = joined.get(ENTRY_KEY)
        if entry is None or not joined.stale:
            return
        stale = (StateWrite(*pair) for pair in joined.to_mend() if pair[0] != ENTRY_KEY and not self.is_dead(*pair))
        rows = [*islice(stale, _MENDED_ROWS)]
        while True:
            await self.write([*rows, StateWrite(ENTRY_KEY, entry)])
            if not (rows := [*islice(stale, _MENDED_ROWS)]):
                return

    async def _require_position(self, fresh: bool, first: int) -> None:
        """Refuse where events were lost between the state and the log, or with the state."""
        topic, context = self.context.topic(self.stage.source), self.context
        where = f"{topic} partition {self.partition}"
        lost = None
        if fresh:
            commit = context.committed(self.partition)
            if commit:
                lost = f"its group committed offset {commit}, yet there is no state"
            elif first > 0:
                lost = f"it begins at offset {first}, yet there is no state"
            for output in self.stage.outputs:
                if lost is None and (await context.reader.bounds(context.topic(output), self.partition))[1] > 0:
                    lost = f"{context.topic(output)} is not empty, yet there is no state"
        elif self.position > self.end:
            raise StartupError(
                f"{where} ends at offset {self.end}, before the position {self.position} in the state",
                "the topic was made anew or cut; take a new FOOTFALL_TOPIC_PREFIX",
            )
        elif self.position < first:
            lost = f"it begins at offset {first}, past the position {self.position} in the state"
        if lost is not None and not context.accept_gap:
            raise StartupError(
                f"events lost in {where}: {lost}", "go on without them by --accept-gap, or restore the topic"
            )
        if self.position < first:
            self.log.warning("gap_accepted", first=self.position, last=first - 1)
            self.position = first
            self.skip_to(first)

    # ---- what differs

    @property
    @abc.abstractmethod
    def closing_watermark(self) -> int:
        """Milliseconds; negative where there is none yet."""

    @abc.abstractmethod
    def restore_from(self, joined: JoinedLog) -> None:
        """Build the fold from joined state, and set ``position``."""

    @abc.abstractmethod
    def is_dead(self, key: bytes, value: bytes) -> bool:
        """Whether a key of the state that was taken up has expired, so that it need not be mended."""

    @abc.abstractmethod
    def adopt(self, former: Self) -> None:
        """Go on with the fold of an owner that was closed and is not used any more."""

    @abc.abstractmethod
    def skip_to(self, first: int) -> None:
        """Go on at ``first``, an accepted gap behind."""

    async def made_anew(self) -> bool:
        """Whether the source is seen to be another log than the one that was folded."""
        return False

    @property
    @abc.abstractmethod
    def in_force(self) -> InForce:
        """What is in force at the position; digests as they are compared."""

    @abc.abstractmethod
    async def stand(self) -> Stand:
        """Where the partition stands between two digests; the state, or that there is none, was looked at before."""

    @abc.abstractmethod
    async def look_ahead(self) -> Way:
        """Look from the position on for what brings the own digest."""

    @abc.abstractmethod
    async def fold_up_to(self, offset: int) -> None:
        """Fold what lies from the position up to the record that brings the own digest."""

    @abc.abstractmethod
    async def mend_outputs(self, *, fresh: bool) -> None:
        """What recovery writes beside the state, before anything is folded."""

    @abc.abstractmethod
    def read(self, batches: Sequence[Batch]) -> Iterator[Sequence[Record]]:
        """The records of fetched batches, part by part, each read when it is asked for; an empty one is a pause."""

    @abc.abstractmethod
    async def handle(self, records: Sequence[Record]) -> None:
        """Fold fetched records, chunk by chunk, each written before the next."""

    @abc.abstractmethod
    async def in_between(self) -> None:
        """After each chunk and each pause."""

    def pause(self) -> float:
        """Seconds to wait for records before ``in_between``."""
        return 0.5
