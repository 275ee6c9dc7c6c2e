"""How an owner takes up its partition: the state recovered, mended, and its position held against the log."""

import abc
import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Final, Self

import structlog

from agents.core.shared.control import InForce
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.records import StateWrite
from agents.core.shared.standby import Standby
from agents.core.shared.store import OwnStore
from pipeline.broker.begun import readable_state
from pipeline.errors import StartupError
from pipeline.kafka.appender import SoleLog
from pipeline.kafka.recovery import Recovered, joined_entry, last_entry, recover
from pipeline.worker.context import Context
from pipeline.worker.releases import NOBODY, Stand, Turn, Way, lies
from schemas.flow import Stage
from schemas.wire.operational import RecoveryWay

__all__ = ["Restorable"]

_MENDED_ROWS: Final = 2000


class Restorable(abc.ABC):
    """The state of one partition under one assignment, and from where on its log is to be folded."""

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
        self.moved_at = time.monotonic()
        """When the position last moved on."""
        self.restored = False
        self.fresh = True
        """Whether there was no state when it was last looked for."""
        self.waits = 0
        """Records that the release before is to fold first."""
        self.left: str | None = None
        """The digest in force past a control record, where another release is to go on."""
        self.changelog: SoleLog
        self.log = structlog.get_logger().bind(worker=context.kind, partition=partition)
        self._store: OwnStore | None = None

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

    async def _judged(self, joined: JoinedLog) -> None:
        """Take up state and refuse where its position is not in the source.

        The state was read before the source's ends are asked for, since another owner may move on.
        """
        state = self.context.topic(self.stage.state)
        with readable_state(state, self.partition, self.context.settings.partitions):
            self.restore_from(joined)
        self.fresh = joined.get(ENTRY_KEY) is None
        await self._look_for_position(fresh=self.fresh)

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

    def release(self) -> None:
        """Let go of the state of an owner that is closed."""
        if self._store is not None:
            self._store.close()
            self._store = None

    # ---- the position

    async def _look_for_position(self, *, fresh: bool) -> None:
        first, self.end = await self.context.reader.bounds(self.context.topic(self.stage.source), self.partition)
        await self._require_position(fresh, first)

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

    # ---- the changelog

    async def check_changelog(self) -> None:
        """Raises ForeignWriteError where the changelog's end lies beyond what was written here."""
        self.changelog.found(await self.context.reader.end(self.changelog.topic, self.partition))

    async def _lease_valid(self) -> None:
        while not self.context.lease.valid:  # noqa: ASYNC110 - renewed from another thread
            await asyncio.sleep(0.02)

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

    # ---- what differs

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
