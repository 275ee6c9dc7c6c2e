"""A worker's follower: over a log in memory, that may be cut off or out of reach."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError

from agents.core.shared.joins import ENTRY_KEY, seal
from pipeline.operations import Operations
from pipeline.worker import standbys as module
from pipeline.worker.standbys import Standbys
from tests.core.test_standby import Stored


class Logs:
    """Changelog partitions from their first offsets on; ``trouble`` is raised once by the next look."""

    def __init__(self) -> None:
        self.first = 0
        self.logs: dict[int, list[Stored]] = {0: [], 1: []}
        self.trouble: Exception | None = None
        self.tails = 0

    def write(self, partition: int, *fences: int) -> None:
        log = self.logs[partition]
        log += [
            Stored(self.first + len(log) + at, 0, ENTRY_KEY, seal(fence, [fence])) for at, fence in enumerate(fences)
        ]

    async def bounds(self, _topic: str, partition: int) -> tuple[int, int]:
        return self.first, self.first + len(self.logs[partition])

    @asynccontextmanager
    async def tail(self, _topic: str, positions: Mapping[int, int]) -> AsyncIterator["Tail"]:
        self.tails += 1
        yield Tail(self, dict(positions))


class Tail:
    def __init__(self, logs: Logs, positions: dict[int, int]) -> None:
        self._logs = logs
        self._positions = positions

    async def more(self) -> dict[int, list[list[Stored]]]:
        await asyncio.sleep(0)
        trouble, self._logs.trouble = self._logs.trouble, None
        if trouble is not None:
            raise trouble
        found = {}
        for partition, position in self._positions.items():
            found[partition] = [record for record in self._logs.logs[partition] if record.offset >= position]
            self._positions[partition] = position + len(found[partition])
        return {partition: [records] for partition, records in found.items() if records}

    def ends(self) -> dict[int, int]:
        return {partition: self._logs.first + len(self._logs.logs[partition]) for partition in self._positions}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def scenario(run: Callable[[Logs, Standbys], Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)

    async def main() -> None:
        logs = Logs()
        standbys = Standbys(logs, "state", Operations())  # type: ignore[arg-type]
        await run(logs, standbys)
        await standbys.stop()

    asyncio.run(main())


def test_it_follows_until_it_is_taken(monkeypatch: Any) -> None:
    async def run(logs: Logs, standbys: Standbys) -> None:
        logs.write(0, 1, 2)
        await standbys.follow([0, 1])
        logs.write(1, 5)
        await until(lambda: standbys.standbys[0].next == 2 and standbys.standbys[1].next == 1)
        logs.write(0, 7)
        await until(lambda: standbys.standbys[0].next == 3)
        await standbys.stop()
        taken = standbys.hand_over(0)
        assert taken.joined.get(ENTRY_KEY) == seal(7, [7])
        assert standbys.hand_over(0).next == 0
        await standbys.follow([1])
        logs.write(1, 6)
        await until(lambda: standbys.standbys[1].next == 2)
        await standbys.follow([])
        assert standbys.standbys == {}

    scenario(run, monkeypatch)


def test_what_was_cut_off_is_followed_anew_and_a_broker_out_of_reach_is_waited_for(monkeypatch: Any) -> None:
    async def run(logs: Logs, standbys: Standbys) -> None:
        logs.logs[0] = [Stored(0, 0, b"s-of-the-log-before", seal(1, 1))]
        logs.write(1, 1)
        await standbys.follow([0, 1])
        await until(lambda: standbys.standbys[0].next == 1)
        logs.trouble = KafkaConnectionError()
        await until(lambda: logs.tails == 2)
        logs.write(0, 2)
        await until(lambda: standbys.standbys[0].next == 2)
        logs.first, logs.logs = 10, {0: [], 1: []}
        logs.write(0, 4)
        logs.write(1, 4)
        logs.trouble = OffsetOutOfRangeError({})
        await until(lambda: standbys.standbys[0].next == 11)
        assert dict(standbys.standbys[0].joined.items()) == {ENTRY_KEY: seal(4, [4])}
        assert logs.tails == 3

    scenario(run, monkeypatch)


def test_a_recovery_that_was_ended_on_the_way_gives_back_what_it_had(monkeypatch: Any) -> None:
    async def run(logs: Logs, standbys: Standbys) -> None:
        logs.write(0, 1)
        await standbys.follow([0])
        await until(lambda: standbys.standbys[0].next == 1)
        await standbys.stop()
        taken = standbys.hand_over(0)
        standbys.give_back(0, taken)
        standbys.keep([0])
        assert standbys.hand_over(0) is taken

    scenario(run, monkeypatch)
