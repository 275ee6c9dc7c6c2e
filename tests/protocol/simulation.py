"""The real owners over a broker in memory: crashes, pauses, two owners at once and compaction between any two steps.

A *tenure* is one owner of one partition, from its recovery to its end. At most one tenure of a partition is current;
older ones are zombies, which the scheduler wakes for as many steps as it likes, until their lease runs out.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.core.pseudonyms import Pseudonyms
from pipeline.corrections import compare_corrections
from pipeline.errors import Refused
from pipeline.oracle import expect
from pipeline.reading import StoredRecord
from pipeline.settings import Settings
from pipeline.sink import SinkView
from pipeline.verify import compare, last_is_highest, wrong_pages
from pipeline.worker.appender import ForeignWriteError, ProduceError
from pipeline.worker.owner import Context
from schemas.rejections import decode_rejection
from schemas.topics import topic_name
from tests.protocol.memory import Gate, Log, MemoryAppender, MemoryReader
from tests.protocol.tenures import CleanTenure, RawTenure

__all__ = ["TROUBLES", "NoRestError", "Simulation"]

TROUBLES = ("crash", "pause", "pause", "wake", "sleep", "expire", "compact", "compact", "time")
_KINDS = ("anonymize", "aggregate")
_PSEUDONYMS = Pseudonyms(bytes(range(32)))
_DIGEST = "fold-key"
_MOST_STEPS = 3000
_MOST_ROUNDS = 3000
_QUIET_ROUNDS = 60
_HOUR = 3_600_000


class NoRestError(Exception):
    """Troubles are over, and yet owners end and begin."""


class _AlwaysLease:
    valid = True
    may_begin = True


class _NoOperations:
    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_more: None


@dataclass(slots=True, eq=False)
class Tenure:
    kind: str
    partition: int
    gate: Gate
    owner: Any
    task: "asyncio.Task[None]"
    awake: bool = True


@dataclass
class Simulation:
    """One schedule, drawn from ``choose``; ``torn`` lets a state batch land in pieces.

    ``script`` says at which steps there is which trouble; without it they come with a chance of ``trouble`` a step.
    """

    settings: Settings
    load: Sequence[StoredRecord]
    choose: random.Random
    torn: bool = False
    trouble: float = 0.06
    script: Mapping[int, str] | None = None
    logs: defaultdict[tuple[str, int], Log] = field(default_factory=lambda: defaultdict(Log))
    current: dict[tuple[str, int], Tenure] = field(default_factory=dict)
    zombies: list[Tenure] = field(default_factory=list)
    now: int = 0
    shift: int = 0
    published: int = 0
    steps: int = 0
    settling: bool = False
    ends: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def run(self) -> list[str]:
        """Publish and fold everything under troubles, then come to rest; what is wrong in the end."""
        try:
            while self.published < len(self.load) and self.steps < _MOST_STEPS:
                await self._step()
            for _ in range(self.choose.randrange(200)):
                await self._step()
            while self.published < len(self.load):
                self._publish()
            for zombie in list(self.zombies):
                await self._end(zombie, lands=self.choose.random() < 0.5)
            await self._settle()
            return self._wrong()
        finally:
            for tenure in [*self.current.values(), *self.zombies]:
                tenure.task.cancel()
            await asyncio.gather(
                *(tenure.task for tenure in [*self.current.values(), *self.zombies]), return_exceptions=True
            )

    # ---- the schedule

    async def _step(self) -> None:
        self.steps += 1
        self._appoint()
        draw = self.choose.random()
        if self.script is not None and self.steps in self.script:
            await self._trouble(self.script[self.steps])
        elif self.script is None and draw < self.trouble:
            await self._trouble(self.choose.choice(TROUBLES))
        elif draw < 0.15 and self.published < len(self.load):
            self._publish()
        else:
            able = [
                tenure for tenure in [*self.current.values(), *self.zombies] if tenure.awake and tenure.gate.waiting
            ]
            if able:
                tenure = self.choose.choice(able)
                tenure.gate.release(self.choose.choice(tenure.gate.waiting), self.now)
        await self._breathe()

    async def _breathe(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        self._bury()

    def _publish(self) -> None:
        record = self.load[self.published]
        self.published += 1
        self.now = max(self.now, record.append_time + self.shift)
        self._log("raw", record.partition).append([(record.key, record.value, record.headers)], self.now)

    async def _trouble(self, kind: str) -> None:
        if kind == "time":
            by = self.choose.choice([_HOUR, 30 * _HOUR])
            self.now, self.shift = self.now + by, self.shift + by
        elif kind == "compact":
            self._compact()
        elif kind in {"crash", "pause"} and self.current:
            tenure = self.choose.choice([*self.current.values()])
            if kind == "crash":
                await self._end(tenure, lands=self.choose.random() < 0.5)
            else:
                del self.current[tenure.kind, tenure.partition]
                self.zombies.append(tenure)
                tenure.awake = False
        elif self.zombies:
            zombie = self.choose.choice(self.zombies)
            if kind == "expire":
                zombie.gate.may_write = False
            zombie.awake = kind != "sleep"

    def _compact(self) -> None:
        """Below the end that a sole owner had found its own: what is younger, ``min.compaction.lag.ms`` protects."""
        for (kind, partition), tenure in self.current.items():
            if tenure.owner.restored:
                self._log(f"{kind}-state", partition).compact(tenure.owner.compacted_before)
                if kind == "aggregate":
                    self._log("aggregates", partition).compact(tenure.owner.sink_compacted_before)

    # ---- tenures

    def _log(self, short: str, partition: int) -> Log:
        return self.logs[topic_name(self.settings.topic_prefix, short), partition]

    def _appoint(self) -> None:
        for kind in _KINDS:
            for partition in range(self.settings.partitions):
                if (kind, partition) not in self.current:
                    self.current[kind, partition] = self._tenure(kind, partition)

    def _tenure(self, kind: str, partition: int) -> Tenure:
        gate = Gate()
        context = Context(
            kind,
            self.settings,
            MemoryAppender(gate, self.logs, rows_in_batch=3, torn=self.torn),  # type: ignore[arg-type]
            _AlwaysLease(),  # type: ignore[arg-type]
            MemoryReader(gate, self.logs),  # type: ignore[arg-type]
            _NoOperations(),  # type: ignore[arg-type]
            lambda _partition: None,
            lambda _error: None,
            False,
            lambda: self.now / 1000,
        )
        owner: Any
        if kind == "anonymize":
            owner = RawTenure(context, partition, _PSEUDONYMS, _DIGEST)
        else:
            owner = CleanTenure(context, partition, _DIGEST)
        return Tenure(kind, partition, gate, owner, asyncio.create_task(self._live(gate, owner)))

    async def _live(self, gate: Gate, owner: Any) -> None:
        await owner.restore()
        owner.verified()
        while True:
            await gate.step("turn")
            owner.temper(emits=self.settling or self.choose.random() < 0.4)
            log = self._log(owner.source, owner.partition)
            found = [record for record in log.records if record.offset >= owner.position]
            if found:
                await owner.handle(owner.fetched(found[: self.choose.randint(1, 6)]))
            else:
                await owner.check_foreign()
            await owner.in_between()

    async def _end(self, tenure: Tenure, *, lands: bool) -> None:
        """The process dies; what it had sent may still land, and its answer goes nowhere."""
        for waiting in tenure.gate.waiting:
            if lands or self.choose.random() < 0.5:
                waiting.land(self.now)
        tenure.task.cancel()
        await asyncio.gather(tenure.task, return_exceptions=True)
        self._forget(tenure)

    def _forget(self, tenure: Tenure) -> None:
        if tenure in self.zombies:
            self.zombies.remove(tenure)
        elif self.current.get((tenure.kind, tenure.partition)) is tenure:
            del self.current[tenure.kind, tenure.partition]

    def _bury(self) -> None:
        for tenure in [*self.current.values(), *self.zombies]:
            if tenure.task.done() and not tenure.task.cancelled():
                error = tenure.task.exception()
                if not isinstance(error, ProduceError | ForeignWriteError | Refused):
                    raise error or AssertionError("an owner ended by itself")
                self.ends[type(error).__name__] += 1
                self._forget(tenure)

    # ---- the end

    async def _settle(self) -> None:
        """Everybody in turn, without troubles, until nothing has been written for a while."""
        self.settling = True
        quiet = 0
        for _ in range(_MOST_ROUNDS):
            before = sum(log.end for log in self.logs.values())
            self._appoint()
            for tenure in [*self.current.values()]:
                for waiting in [*tenure.gate.waiting]:
                    tenure.gate.release(waiting, self.now)
            await self._breathe()
            quiet = quiet + 1 if sum(log.end for log in self.logs.values()) == before else 0
            if quiet > _QUIET_ROUNDS:
                return
        raise NoRestError(dict(self.ends))

    def _stored(self, short: str) -> list[StoredRecord]:
        return [
            StoredRecord(partition, *record)
            for partition in range(self.settings.partitions)
            for record in self._log(short, partition).records
        ]

    def _wrong(self) -> list[str]:
        raw_topic = topic_name(self.settings.topic_prefix, "raw")
        expected = expect(
            self._stored("raw"),
            self.settings.deciding(),
            self.settings.partitions,
            topic=raw_topic,
            record_duplicates=True,
        )
        view, sink = SinkView(), self._stored("aggregates")
        view.apply(sink)
        wrong = [str(each) for each in compare(view.records, expected.figures, sink_watermarks=False)]
        wrong += [f"not last: {each}" for each in last_is_highest(sink)]
        found = {_identity(decode_rejection(record.value or b"")) for record in self._stored("rejected")}
        wrong += map(str, compare_corrections(self._stored("corrections"), expected.corrections, view.records))
        wrong += [f"books {each}" for each in wrong_pages(self._stored("ledger"), expected.ledger)]
        wrong += [f"rejection {each}" for each in found ^ {_identity(each) for each in expected.rejections}]
        return wrong


def _identity(rejection: Any) -> tuple[object, ...]:
    return rejection.partition, rejection.offset, rejection.path, rejection.reason
