"""A partition that comes back to its worker: its state is gone on with where nobody has written since, only there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import msgspec
import pytest

from agents.core.accept.fold import AnonymizeFold
from agents.core.shared.joins import ENTRY_KEY
from agents.core.shared.records import RawRecord
from agents.core.shared.standby import Standby
from pipeline.worker.context import Context
from pipeline.worker.releases import Others
from schemas.topics import topic_name
from tests.control_kit import KEYS, PSEUDONYMS
from tests.core.random_log import random_log
from tests.core.stores import in_memory
from tests.protocol.memory import Gate, Log, MemoryAppender, MemoryReader
from tests.protocol.releases import DIGEST
from tests.protocol.schedules import SETTINGS
from tests.protocol.tenures import RawTenure


class OpenGate(Gate):
    """Everything passes at once."""

    async def step(self, name: str, log: Log | None = None, rows: Sequence[object] = ()) -> int:
        return -1 if log is None else log.append(list(rows), 0)  # type: ignore[arg-type]


class AlwaysLease:
    valid = True
    may_begin = True


class Reader(MemoryReader):
    """Remembers from where it read changelogs."""

    starts: ClassVar[list[int]] = []

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[list[RawRecord]]:
        if topic.endswith("changelog"):
            self.starts.append(start)
        async for records in super().records(topic, partition, start, end):
            yield records


class Ways:
    """Where each recovery's state came from."""

    def __init__(self) -> None:
        self.ways: list[str] = []

    def recovered(self, way: str, _seconds: float) -> None:
        self.ways.append(way)

    def folded_raw(self, *_: object) -> None:
        pass


def alive(fold: AnonymizeFold) -> set[bytes]:
    """The sources of which something is remembered; those that are forgotten may be in memory still."""
    found, now = fold._state.sources, fold.entry.event_watermark
    return {key for key, source in in_memory(found).items() if not found.is_forgotten(source, now)}


class World:
    """One raw partition with owners one after the other in one process."""

    def __init__(self) -> None:
        self.logs: defaultdict[tuple[str, int], Log] = defaultdict(Log)
        self.ways = Ways()
        for record in random_log(1, 60):
            if record.partition == 0:
                rows = [(record.key, record.value, record.headers)]
                self.logs[topic_name(SETTINGS.topic_prefix, "raw"), 0].append(rows, record.append_time)

    @property
    def state(self) -> Log:
        return self.logs[topic_name(SETTINGS.topic_prefix, "anonymize-state"), 0]

    def owner(self) -> RawTenure:
        gate = OpenGate()
        context = Context(
            "anonymize",
            SETTINGS,
            MemoryAppender(gate, self.logs, lambda: True, rows_in_batch=50),  # type: ignore[arg-type]
            AlwaysLease(),  # type: ignore[arg-type]
            Reader(gate, self.logs),  # type: ignore[arg-type]
            self.ways,  # type: ignore[arg-type]
            lambda _partition: None,
            lambda _error: None,
            False,
        )
        return RawTenure(context, 0, PSEUDONYMS, KEYS, DIGEST)

    async def fold(self, owner: RawTenure, count: int) -> None:
        raw = self.logs[topic_name(SETTINGS.topic_prefix, "raw"), 0].records
        await owner.handle([owner.fetched(each) for each in raw if each.offset >= owner.position][:count])


def joined(state: Log) -> dict[bytes, bytes]:
    standby = Standby()
    standby.apply(state.records)
    return dict(standby.joined.items())


@pytest.mark.parametrize("another_writes", [False, True])
def test_a_former_owner_goes_on_only_if_nobody_wrote_since(another_writes: bool) -> None:
    async def scenario() -> None:
        world = World()
        first = world.owner()
        await first.restore()
        await world.fold(first, 10)
        if another_writes:
            other = world.owner()
            await other.restore()
            await world.fold(other, 5)
        again = world.owner()
        again.others = Others("another", frozenset({"another"}))  # says nothing of one that has state
        await again.restore(None, first)
        assert world.ways.ways[-1] == ("changelog" if another_writes else "kept")
        end = joined(world.state)
        assert again.position == first.position + 5 * another_writes
        assert (again.fresh, again.in_force.digest) == (False, DIGEST)
        assert again.fold.entry.write() == end[ENTRY_KEY]
        await world.fold(again, 5)
        restored = world.owner()
        await restored.restore()
        assert restored.fold.entry == again.fold.entry
        sources = [alive(owner.fold) for owner in (restored, again)]
        assert sources[0] == sources[1]

    asyncio.run(scenario())


def test_a_standby_saves_reading_what_it_has_taken() -> None:
    async def scenario() -> None:
        world = World()
        first = world.owner()
        await first.restore()
        await world.fold(first, 10)
        standby = Standby()
        standby.apply(world.state.records)
        known = standby.next
        await world.fold(first, 5)
        second, end = world.owner(), world.state.end
        await second.restore(standby)
        assert world.ways.ways[-1] == "standby"
        assert Reader.starts[-1] == known < standby.next == end
        assert dict(standby.joined.items()) == joined(world.state)
        assert second.position == first.position

    asyncio.run(scenario())


def test_a_standby_past_the_end_of_a_log_that_was_made_anew_is_not_believed() -> None:
    async def scenario() -> None:
        world = World()
        standby = Standby()
        first = world.owner()
        await first.restore()
        await world.fold(first, 10)
        standby.apply([msgspec.structs.replace(each, key=b"s-of-another-log") for each in world.state.records])
        standby.next += 1
        second = world.owner()
        await second.restore(standby)
        assert dict(standby.joined.items()) == joined(world.state)

    asyncio.run(scenario())
