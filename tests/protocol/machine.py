"""The same simulation, driven by hypothesis: which rules fire, in which order, and the shortest story that fails."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pipeline.kafka.reader import StoredRecord
from schemas.limits import HOUR_MS
from tests.core.random_log import PARTITIONS
from tests.protocol.hostile import HARMS
from tests.protocol.schedules import SETTINGS, drawn_load
from tests.protocol.simulation import KINDS, Fate, Simulation
from tests.protocol.tenures import Manner, Tenure

__all__ = ["ProtocolMachine"]

Item = TypeVar("Item")
_NUMBER = st.integers(0, 11)
"""Of whatever there is to choose from, in its order."""
_FATES = st.lists(st.sampled_from(Fate), max_size=4)


def _pick(number: int, items: Sequence[Item]) -> Item:
    return items[number % len(items)]


def _has_current(machine: "ProtocolMachine") -> bool:
    return bool(machine.simulation.current)


def _has_zombies(machine: "ProtocolMachine") -> bool:
    return bool(machine.simulation.zombies)


def _has_late(machine: "ProtocolMachine") -> bool:
    return bool(machine.simulation.late)


def _has_records(machine: "ProtocolMachine") -> bool:
    return bool(machine.load)


class ProtocolMachine(RuleBasedStateMachine):
    """Whatever may happen is a rule; in the end everything comes to rest and must equal the oracle."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.simulation = Simulation(SETTINGS)
        self.load: list[StoredRecord] = []

    def _run(self, what: Coroutine[Any, Any, Item]) -> Item:
        return self.runner.run(what)

    def _tenure(self, number: int) -> Tenure:
        return _pick(number, [*self.simulation.current.values()])

    @initialize(seed=st.integers(0, 999))
    def begin(self, seed: int) -> None:
        self.load = drawn_load(seed)

    # ---- producers and time

    @precondition(_has_records)
    @rule(skipped=st.integers(0, 3), count=st.integers(1, 4), marker=st.booleans())
    def publish(self, skipped: int, count: int, marker: bool) -> None:
        """The next ones of the load, some of which nobody sends."""
        told, self.load = self.load[skipped : skipped + count], self.load[skipped + count :]
        for record in told:
            self._run(self.simulation.publish(record, marker=marker))

    @rule(kind=st.sampled_from(HARMS), partition=st.integers(0, PARTITIONS - 1), seed=st.integers(0, 99))
    def harm(self, kind: str, partition: int, seed: int) -> None:
        """Somebody who may write to raw means harm."""
        self.simulation.do_harm(kind, partition, random.Random(seed))

    @rule(partition=st.integers(0, PARTITIONS - 1), eager=st.booleans())
    def announce(self, partition: int, eager: bool) -> None:
        """Another release is to go on from here."""
        self.simulation.eager = eager
        self.simulation.announce(partition)

    @precondition(_has_records)
    @rule(partition=st.integers(0, PARTITIONS - 1))
    def publish_elsewhere(self, partition: int) -> None:
        """A producer with another partitioner, or one without."""
        self._run(self.simulation.publish(self.load.pop(0)._replace(partition=partition)))

    @rule(hours=st.sampled_from([1, 30]))
    def time_passes(self, hours: int) -> None:
        self.simulation.pass_time(hours * HOUR_MS)

    @rule()
    def compact(self) -> None:
        self.simulation.compact()

    @rule(kind=st.sampled_from(KINDS), partition=st.integers(0, PARTITIONS - 1), most=st.sampled_from([3, 30, 1000]))
    def follow(self, kind: str, partition: int, most: int) -> None:
        self.simulation.follow(kind, partition, most)

    # ---- owners go on

    @rule(manner=st.builds(Manner, st.integers(0, 6), st.integers(0, 2), st.booleans(), st.booleans(), st.booleans()))
    def fare(self, manner: Manner) -> None:
        """How owners whose turn it is go on from now on."""
        self.simulation.manner = manner

    @rule(numbers=st.lists(_NUMBER, min_size=1, max_size=30))
    def go_on(self, numbers: list[int]) -> None:
        """Anybody takes any step that is open: answers and requests pass each other wherever Kafka lets them."""
        self._run(self._steps(numbers))

    async def _steps(self, numbers: list[int]) -> None:
        for number in numbers:
            if able := self.simulation.able():
                await self.simulation.step(*_pick(number, able))
            await asyncio.sleep(0)

    @rule(number=_NUMBER, count=st.integers(1, 60))
    def go_alone(self, number: int, count: int) -> None:
        """One owner goes on for a while."""
        self._run(self._steps_of(number, count))

    async def _steps_of(self, number: int, count: int) -> None:
        simulation = self.simulation
        simulation.able()
        await asyncio.sleep(0)
        chosen = _pick(number, [*simulation.current.values(), *simulation.zombies])
        for _ in range(count):
            if open_to_it := [pair for pair in simulation.able() if pair[0] is chosen]:
                await simulation.step(*open_to_it[0])

    @rule(rounds=st.integers(1, 60))
    def all_go_on(self, rounds: int) -> None:
        """Everybody goes on at the same pace."""
        self._run(self._rounds(rounds))

    async def _rounds(self, rounds: int) -> None:
        for _ in range(rounds):
            await self.simulation.round()

    # ---- troubles

    @precondition(_has_current)
    @rule(number=_NUMBER, fates=_FATES)
    def crash(self, number: int, fates: list[Fate]) -> None:
        self._run(self.simulation.crash(self._tenure(number), fates))

    @precondition(_has_current)
    @rule(number=_NUMBER, fate=st.sampled_from(Fate))
    def no_answer(self, number: int, fate: Fate) -> None:
        self._run(self._no_answer(number, fate))

    async def _no_answer(self, number: int, fate: Fate) -> None:
        if sent := [pair for pair in self.simulation.able() if pair[1].log is not None]:
            await self.simulation.unanswered(*_pick(number, sent), fate)

    @precondition(_has_current)
    @rule(number=_NUMBER)
    def pause(self, number: int) -> None:
        self.simulation.pause(self._tenure(number))

    @precondition(_has_zombies)
    @rule(number=_NUMBER, awake=st.booleans())
    def wake_or_sleep(self, number: int, awake: bool) -> None:
        _pick(number, self.simulation.zombies).awake = awake

    @precondition(_has_zombies)
    @rule(number=_NUMBER)
    def lease_runs_out(self, number: int) -> None:
        self._run(self.simulation.expire(_pick(number, self.simulation.zombies)))

    @precondition(_has_late)
    @rule(number=_NUMBER)
    def arrive(self, number: int) -> None:
        self._run(self.simulation.arrive(_pick(number, self.simulation.late)))

    @precondition(_has_current)
    @rule(kind=st.sampled_from(KINDS))
    def rebalance(self, kind: str) -> None:
        self._run(self.simulation.rebalance(kind))

    def teardown(self) -> None:
        try:
            told = self._run(self.simulation.finish())
        finally:
            self.runner.close()
        assert told == []
