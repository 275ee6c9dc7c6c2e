"""The real owners over a broker in memory: whatever may happen between any two steps, as one method each.

At most one tenure of a partition is current; older ones are zombies, which wake for as many steps as the scheduler
likes, until their lease runs out. Nothing here is drawn: :mod:`tests.protocol.schedules` and
:mod:`tests.protocol.machine` say what happens next.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from agents.core.shared.standby import Standby
from pipeline.kafka.reader import StoredRecord
from schemas.topics import topic_name
from tests.protocol.demands import uneven, wrong
from tests.protocol.hostile import harm
from tests.protocol.memory import Waiting
from tests.protocol.owners import KINDS, Fate, Owners
from tests.protocol.tenures import Manner, RawTenure, Tenure

__all__ = ["KINDS", "Fate", "NoRestError", "Simulation"]

_MOST_ROUNDS = 3000
_QUIET_ROUNDS = 60


class NoRestError(Exception):
    """Troubles are over, and yet owners end and begin."""


@dataclass
class Simulation(Owners):
    """The logs, the owners, and what may happen to them."""

    shift: int = 0
    steps: int = 0

    # ---- what may happen

    async def publish(self, record: StoredRecord, *, marker: bool = False) -> None:
        """A producer appends; ``marker``: in a transaction, whose marker follows."""
        self.now = max(self.now, record.append_time + self.shift)
        log = self.log("raw", record.partition)
        if record.unreadable_to is not None:
            log.break_off(self.now, 1)
        else:
            log.append([(record.key, record.value, self.releases.signed(record).headers)], self.now)
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
        if (record := self.releases.announce_next(partition)) is not None:
            self.log("raw", partition).append([(None, None, record.headers)], self.now)
            self.steps += 1

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
            while self.releases.is_behind(partition):
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

    def _wrong(self) -> list[str]:
        owed = [
            f"partition {tenure.partition} owes a tick"
            for tenure in self.current.values()
            if isinstance(tenure.owner, RawTenure) and tenure.owner.fold.tick_due(self.now, tenure.owner.assigned_at)
        ]
        return [*wrong(self.stored, self.settings), *self.refused, *owed]
