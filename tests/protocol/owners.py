"""Who owns the partitions of the simulation: how owners are appointed, how they go on, and how they end."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, repeat
from typing import Any

from agents.core.shared.standby import Standby
from pipeline.errors import StartupError
from pipeline.kafka.appender import ForeignWriteError, ProduceError
from pipeline.kafka.reader import StoredRecord
from pipeline.settings.settings import Settings
from pipeline.worker.context import Context
from pipeline.worker.lease import Lease
from pipeline.worker.releases import Others
from schemas.topics import topic_name
from tests.control_kit import KEYS, PSEUDONYMS
from tests.protocol.memory import Gate, Log, MemoryAppender, MemoryReader, Waiting, of_partition
from tests.protocol.releases import DIGEST, RELEASES, Releases
from tests.protocol.tenures import CleanTenure, Manner, NoOperations, RawTenure, Scheduled, Tenure, live

__all__ = ["KINDS", "Fate", "Owners"]

KINDS = ("anonymize", "aggregate")
_SOMEBODY = Others(DIGEST, frozenset({"another"}))
"""What a partition that nobody has folded is told of the others: to look for itself."""
_ROWS_IN_BATCH = 3
_BREATHS = (4, 12)


class Fate(Enum):
    """What becomes of a request whose sender is gone."""

    LANDS = "lands"
    LOST = "lost"
    LATE = "late"
    """It lies at the broker, and lands when the scheduler likes."""


@dataclass
class Owners:
    """The logs and the tenures of their partitions; ``manner`` says how owners whose turn it is go on."""

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
    ends: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    eager: bool = False
    """Whether a release is started as soon as its record lies ahead, or when its turn has come."""
    releases: Releases = field(init=False)
    _running: set[tuple[str, int]] = field(default_factory=set)
    """Where the process goes on after a rebalance: it has looked at every partition when it was started."""
    _standbys: dict[tuple[str, int], Standby] = field(default_factory=dict)
    """What has followed changelogs up to whenever it looked last; the next recovery begins with it."""
    _former: dict[tuple[str, int], Any] = field(default_factory=dict)
    """Closed owners of processes that go on after a rebalance."""

    def __post_init__(self) -> None:
        self.releases = Releases(self.settings, self.log)

    def log(self, short: str, partition: int) -> Log:
        return self.logs[topic_name(self.settings.topic_prefix, short), partition]

    def stored(self, short: str) -> list[StoredRecord]:
        """What a topic of the table holds, by partition and offset."""
        return [
            of_partition(partition, record)
            for partition in range(self.settings.partitions)
            for record in self.log(short, partition).records
        ]

    # ---- how they are appointed

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
        digest = RELEASES[self._to_begin(kind, partition)] if former is None else former.whole_digest
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

    def _to_begin(self, kind: str, partition: int) -> int:
        return self.releases.to_begin(kind, partition, eager=self.eager)

    # ---- how they go on and end

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
