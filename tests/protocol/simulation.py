"""The real owners over a broker in memory: whatever may happen between any two steps, as one method each.

At most one tenure of a partition is current; older ones are zombies, which wake for as many steps as the scheduler
likes, until their lease runs out. Nothing here is drawn: :mod:`tests.protocol.schedules` and
:mod:`tests.protocol.machine` say what happens next.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, repeat
from typing import Any

import msgspec

from agents.core.accept.state import RawEntry
from agents.core.count.state import Entry
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.records import RawRecord
from agents.core.shared.standby import Standby
from pipeline.errors import StartupError
from pipeline.kafka.appender import ForeignWriteError, ProduceError
from pipeline.kafka.reader import StoredRecord
from pipeline.settings.settings import Settings
from pipeline.worker.context import Context
from pipeline.worker.lease import Lease
from pipeline.worker.releases import Others
from schemas.deciding import deciding_part
from schemas.topics import topic_name
from schemas.wire.clean import decode_chunk
from tests.control_kit import KEYS, PSEUDONYMS, Scribe, digest_of
from tests.core.random_log import ANNOUNCED, DECIDING
from tests.protocol.demands import uneven, wrong
from tests.protocol.hostile import harm
from tests.protocol.memory import Gate, Log, MemoryAppender, MemoryReader, Waiting
from tests.protocol.tenures import CleanTenure, Manner, NoOperations, RawTenure, Scheduled, Tenure, live

__all__ = ["KINDS", "Fate", "NoRestError", "Simulation"]

KINDS = ("anonymize", "aggregate")
DIGEST = digest_of(DECIDING)
_RELEASES = (DIGEST, *(f"{number:016x}-{DIGEST.partition('-')[2]}" for number in range(1, 4)))
"""Fold digests in the order in which they are announced; all decide alike, and none folds another's stretch."""
_SOMEBODY = Others(DIGEST, frozenset({"another"}))
"""What a partition that nobody has folded is told of the others: to look for itself."""
_ROWS_IN_BATCH = 3
_LAST_CHUNKS = 5
_MOST_ROUNDS = 3000
_QUIET_ROUNDS = 60
_BREATHS = (4, 12)


class NoRestError(Exception):
    """Troubles are over, and yet owners end and begin."""


class Fate(Enum):
    """What becomes of a request whose sender is gone."""

    LANDS = "lands"
    LOST = "lost"
    LATE = "late"
    """It lies at the broker, and lands when the scheduler likes."""


@dataclass
class Simulation:
    """The logs, the owners, and what may happen to them; ``manner`` says how owners whose turn it is go on."""

    settings: Settings
    store: Callable[[int], Any] = lambda _partition: None
    """Makes the store of an assignment's state, None for dictionaries."""
    logs: defaultdict[tuple[str, int], Log] = field(default_factory=lambda: defaultdict(Log))
    commits: dict[tuple[str, int], int] = field(default_factory=dict)
    current: dict[tuple[str, int], Tenure] = field(default_factory=dict)
    zombies: list[Tenure] = field(default_factory=list)
    late: list[Waiting] = field(default_factory=list)
    manner: Manner = field(default_factory=Manner)
    now: int = 0
    shift: int = 0
    steps: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    _running: set[tuple[str, int]] = field(default_factory=set)
    """Where the process goes on after a rebalance: it has looked at every partition when it was started."""
    _standbys: dict[tuple[str, int], Standby] = field(default_factory=dict)
    """What has followed changelogs up to whenever it looked last; the next recovery begins with it."""
    eager: bool = False
    """Whether a release is started as soon as its record lies ahead, or when its turn has come."""
    announced: Counter[int] = field(default_factory=Counter)
    """How many of the releases are announced in each partition."""
    _scribes: dict[int, Scribe] = field(default_factory=dict)
    _read: Counter[int] = field(default_factory=Counter)
    """Records of each raw partition that its scribe has read."""
    _former: dict[tuple[str, int], Any] = field(default_factory=dict)
    """Closed owners of processes that go on after a rebalance."""

    # ---- what may happen

    async def publish(self, record: StoredRecord, *, marker: bool = False) -> None:
        """A producer appends; ``marker``: in a transaction, whose marker follows."""
        self.now = max(self.now, record.append_time + self.shift)
        log = self.log("raw", record.partition)
        if record.unreadable_to is not None:
            log.break_off(self.now, 1)
        else:
            log.append([(record.key, record.value, self._signed(record).headers)], self.now)
        if marker:
            log.mark()
        self.steps += 1

    def do_harm(self, kind: str, partition: int, choose: random.Random) -> None:
        """Somebody who may write to raw, and means harm, appends something."""
        log, topic = self.log("raw", partition), topic_name(self.settings.topic_prefix, "raw")
        done = harm(kind, choose, topic, partition, log.records)
        if done.unreadable:
            log.break_off(self.now, done.unreadable)
        else:
            log.append([(done.key, done.value, done.headers)], self.now)
        self.steps += 1

    def announce(self, partition: int) -> None:
        """As ``topics fold``, that is killed behind one partition: the next release there, where there is one."""
        if self.announced[partition] + 1 < len(_RELEASES):
            self.announced[partition] += 1
            header = ("footfall-fold", _RELEASES[self.announced[partition]].encode())
            signed = self._signed(StoredRecord(partition, 0, 0, None, None, (header,)))
            self.log("raw", partition).append([(None, None, signed.headers)], self.now)
            self.steps += 1

    def _signed(self, record: StoredRecord) -> StoredRecord:
        """What the load left to be signed, as the log up to now asks for it."""
        if record.value is not None or not record.headers:
            return record
        settings, number = self.settings, record.partition
        present = _RELEASES[self.announced[number]].encode()  # what the load announces is in force already
        headers = tuple((name, present if text == ANNOUNCED.encode() else text) for name, text in record.headers)
        topic = topic_name(settings.topic_prefix, "raw")
        scribe = self._scribes.setdefault(number, Scribe(settings.deciding(), settings.partitions, number, topic))
        records = self.log("raw", number).records
        for stored in records[self._read[number] :]:
            scribe.read(_of_partition(number, stored))
        self._read[number] = len(records)
        return scribe.signed(record._replace(headers=headers))

    def able(self) -> list[tuple[Tenure, Waiting]]:
        """Every step that somebody could take next; requests that are under way at once land in any order."""
        self._appoint()
        everybody = [*self.current.values(), *self.zombies]
        return [(each, waiting) for each in everybody if each.awake for waiting in each.gate.waiting]

    async def step(self, tenure: Tenure, waiting: Waiting) -> None:
        """The broker does what ``tenure`` waits for, or its answer arrives."""
        tenure.gate.release(waiting, self.now)
        self.steps += 1
        await self._breathe(tenure)

    async def round(self) -> None:
        """Everybody takes every step that is open."""
        for tenure, waiting in self.able():
            tenure.gate.release(waiting, self.now)
        await self._breathe(*self.current.values(), *self.zombies)

    async def crash(self, tenure: Tenure, fates: Sequence[Fate] = ()) -> None:
        """The process dies; ``fates`` of its requests in their order, lost where there are no more."""
        self._running.discard((tenure.kind, tenure.partition))
        await self._end(tenure, fates)
        self.steps += 1

    async def unanswered(self, tenure: Tenure, waiting: Waiting, fate: Fate) -> None:
        """A request is given up, whatever became of it."""
        self._befall(waiting, fate)
        tenure.gate.fail(waiting)
        self.steps += 1
        await self._breathe(tenure)

    def pause(self, tenure: Tenure) -> None:
        """Stopped beyond its session: another owner is appointed."""
        del self.current[tenure.kind, tenure.partition]
        self._running.add((tenure.kind, tenure.partition))
        self.zombies.append(tenure)
        tenure.awake = False
        self.steps += 1

    async def expire(self, zombie: Tenure) -> None:
        """Its lease runs out; it may go on until it writes or its watch looks."""
        zombie.clock = 2.0
        zombie.awake = True
        self.steps += 1

    async def arrive(self, waiting: Waiting) -> None:
        """A late request of a sender that is gone lands."""
        self.late.remove(waiting)
        waiting.land(self.now)
        self.steps += 1

    async def rebalance(self, kind: str) -> None:
        """All owners of the kind are revoked: they finish the chunk in hand, and are appointed when all are done."""
        for tenure in [each for each in self.current.values() if each.kind == kind]:
            self._running.add((kind, tenure.partition))
            if tenure.owner.restored:
                tenure.closing = True
                tenure.closer = tenure.closer or asyncio.create_task(tenure.owner.close())
            else:  # the restoring is given up, what it had sent is under way
                await self._end(tenure, [Fate.LATE] * len(tenure.gate.waiting))
        await asyncio.sleep(0)  # for those that close to hear of it
        self.steps += 1

    def compact(self) -> None:
        """Below the end that a sole owner had found its own: what is younger, ``min.compaction.lag.ms`` protects."""
        for (kind, partition), tenure in self.current.items():
            if tenure.owner.restored:
                self.log(f"{kind}-state", partition).compact(tenure.owner.compacted_before)
                if kind == "aggregate":
                    self.log("aggregates", partition).compact(tenure.owner.sink_compacted_before)
        self.steps += 1

    def follow(self, kind: str, partition: int, most: int) -> None:
        """A standby takes ``most`` records that it has not seen, and forgets what the cleaner may have taken."""
        key, log = (kind, partition), self.log(f"{kind}-state", partition)
        standby = self._standbys.setdefault(key, Standby(lambda: self.store(partition)))
        standby.apply([record for record in log.records if record.offset >= standby.next][:most])
        if (tenure := self.current.get(key)) is not None and tenure.owner.restored:
            young = [each.append_time for each in log.records if each.offset >= tenure.owner.compacted_before]
            standby.forget(min(young, default=0))
        self.steps += 1

    def pass_time(self, by: int) -> None:
        """Milliseconds go by for everybody."""
        self.now, self.shift = self.now + by, self.shift + by
        self.steps += 1

    async def finish(self, fates: Sequence[Fate] = ()) -> list[str]:
        """No more troubles: zombies end, everything comes to rest; what is wrong then."""
        self.manner = Manner()
        self.eager = False
        for partition in range(self.settings.partitions):
            while self.announced[partition] < max(self.announced.values(), default=0):
                self.announce(partition)
        for zombie in list(self.zombies):
            await self._end(zombie, fates)
        for waiting, fate in zip(list(self.late), chain(fates, repeat(Fate.LANDS)), strict=False):
            if fate is not Fate.LOST:
                waiting.land(self.now)
        await self._settle()
        told = uneven(self.stored("aggregates"))
        self.compact()  # what is there is old by now, and everybody reads it again
        for tenure in [*self.current.values()]:
            await self._end(tenure, ())
        await self._settle()
        return told + self._wrong()

    # ---- tenures

    def log(self, short: str, partition: int) -> Log:
        return self.logs[topic_name(self.settings.topic_prefix, short), partition]

    def _appoint(self) -> None:
        for kind in KINDS:
            if any(tenure.closing for tenure in self.current.values() if tenure.kind == kind):
                continue
            for partition in range(self.settings.partitions):
                if (kind, partition) not in self.current:
                    self.current[kind, partition] = self._tenure(kind, partition)

    def _tenure(self, kind: str, partition: int) -> Tenure:
        tenure = Tenure(kind, partition, Gate(), None)  # type: ignore[arg-type]
        tenure.lease = Lease(1.0, lambda: setattr(tenure, "out_of_lease", True), lambda: tenure.clock)
        tenure.lease.answered(tenure.lease.sent())
        committed = dict(self.commits)
        context = Context(
            kind,
            self.settings,
            MemoryAppender(tenure.gate, self.logs, lambda: tenure.lease.valid, rows_in_batch=_ROWS_IN_BATCH),  # type: ignore[arg-type]
            tenure.lease,
            MemoryReader(tenure.gate, self.logs),  # type: ignore[arg-type]
            NoOperations(),  # type: ignore[arg-type]
            lambda number: committed.get((kind, number)),
            tenure.fail,
            False,
            lambda: self.now / 1000,
            store=self.store,
        )

        former = self._former.pop((kind, partition), None)
        digest = _RELEASES[self._release(kind, partition)] if former is None else former.whole_digest
        tenure.former = former

        def made() -> Scheduled:
            if kind == "anonymize":
                owner: Scheduled = RawTenure(context, partition, PSEUDONYMS, KEYS, digest)
            else:
                owner = CleanTenure(context, partition, digest)
            owner.others, owner.whole_digest = _SOMEBODY, digest
            return owner

        tenure.owner = owner = made()
        owner.gate = tenure.gate
        owner.log_read = self.log(owner.stage.source, partition)
        owner.manner = lambda: self.manner
        owner.committing = lambda position: self._commit(tenure, position)
        tenure.standby = self._standbys.pop((kind, partition), None)
        survey = None if (kind, partition) in self._running else made()
        tenure.task = asyncio.create_task(live(tenure, survey))
        return tenure

    def _release(self, kind: str, partition: int) -> int:
        """Which release is to be started: that which is in force where the state stands, or the next."""
        joined = JoinedLog()
        for record in self.log(f"{kind}-state", partition).records:
            if record.key == ENTRY_KEY and record.value is not None:
                joined.apply(ENTRY_KEY, record.value)
        entry, under, chunks = joined.get(ENTRY_KEY), "", self.log("clean", partition).records
        if entry is not None:
            read = RawEntry.read if kind == "anonymize" else Entry.read
            under = read(entry, self.settings.partitions).in_force.digest
        if kind == "aggregate" and not under and chunks:
            under = decode_chunk(chunks[0].value or b"").digest
        known = [deciding_part(digest) for digest in _RELEASES]
        at, ahead = known.index(deciding_part(under)) if under else 0, self.announced[partition]
        if kind == "aggregate":  # there it is told by chunks
            told = (deciding_part(decode_chunk(each.value or b"").digest) for each in chunks[-_LAST_CHUNKS:])
            ahead = max(map(known.index, told), default=at)
        return max(at, min(at + self.eager, ahead))

    def _commit(self, tenure: Tenure, position: int) -> None:
        """The group takes no commit of a generation that is over."""
        if self.current.get((tenure.kind, tenure.partition)) is tenure:
            self.commits[tenure.kind, tenure.partition] = position

    async def _breathe(self, *tenures: Tenure) -> None:
        """Let owners go on to where they wait again; without a lease that may be nowhere, and its watch ends it."""
        least, most = _BREATHS
        for breath in range(most):
            await asyncio.sleep(0)
            if breath >= least and all(each.gate.waiting or each.task.done() for each in tenures):
                break
        for tenure in tenures:
            if not (tenure.gate.waiting or tenure.task.done()):
                tenure.lease.check()
            if tenure.out_of_lease:
                self.ends["lease"] += 1
                await self._end(tenure, ())
            elif tenure.owner.restored and not tenure.owner.folds and not tenure.closing:
                # Its worker ends, if this is all that it has; what it had sent is under way.
                self.ends["left"] += 1
                self._running.discard((tenure.kind, tenure.partition))
                await self._end(tenure, [Fate.LATE] * len(tenure.gate.waiting))
        self._delete()

    async def _end(self, tenure: Tenure, fates: Sequence[Fate]) -> None:
        for waiting, fate in zip(tenure.gate.waiting, chain(fates, repeat(Fate.LOST)), strict=False):
            self._befall(waiting, fate)
        tenure.task.cancel()
        await asyncio.gather(tenure.task, return_exceptions=True)
        self._forget(tenure)

    def _befall(self, waiting: Waiting, fate: Fate) -> None:
        if waiting.log is not None and fate is Fate.LANDS:
            waiting.land(self.now)
        elif waiting.log is not None and fate is Fate.LATE:
            self.late.append(Waiting(waiting.name, waiting.future, waiting.rows, waiting.log))

    def _forget(self, tenure: Tenure) -> None:
        if tenure in self.zombies:
            self.zombies.remove(tenure)
        elif self.current.get((tenure.kind, tenure.partition)) is tenure:
            del self.current[tenure.kind, tenure.partition]

    def _delete(self) -> None:
        for tenure in [*self.current.values(), *self.zombies]:
            if not tenure.task.done():
                continue
            error = tenure.error or tenure.task.exception()
            if error is None and not tenure.closing:
                raise AssertionError("an owner ended by itself")
            if error is not None and not isinstance(error, ProduceError | ForeignWriteError | StartupError):
                raise error
            if isinstance(error, StartupError):
                self.refused.append(f"refused: {error}")
            if error is None and tenure.owner.folds:
                self._former[tenure.kind, tenure.partition] = tenure.owner
            else:
                self.ends[type(error).__name__] += 1
                self._running.discard((tenure.kind, tenure.partition))
            for waiting in tenure.gate.waiting:  # of other requests that were under way nothing is known
                self._befall(waiting, Fate.LATE)
            self._forget(tenure)

    # ---- the end

    async def _settle(self) -> None:
        """Everybody in turn, without troubles, until nothing has been written for a while."""
        quiet = 0
        for _ in range(_MOST_ROUNDS):
            before = sum(log.end for log in self.logs.values())
            await self.round()
            quiet = quiet + 1 if sum(log.end for log in self.logs.values()) == before else 0
            if quiet > _QUIET_ROUNDS or self.refused:
                return
        raise NoRestError(dict(self.ends))

    def stored(self, short: str) -> list[StoredRecord]:
        """What a topic of the table holds, by partition and offset."""
        return [
            _of_partition(partition, record)
            for partition in range(self.settings.partitions)
            for record in self.log(short, partition).records
        ]

    def _wrong(self) -> list[str]:
        owed = [
            f"partition {tenure.partition} owes a tick"
            for tenure in self.current.values()
            if isinstance(tenure.owner, RawTenure) and tenure.owner.fold.tick_due(self.now, tenure.owner.assigned_at)
        ]
        return [*wrong(self.stored, self.settings), *self.refused, *owed]


def _of_partition(partition: int, record: RawRecord) -> StoredRecord:
    return StoredRecord(partition, *msgspec.structs.astuple(record))
