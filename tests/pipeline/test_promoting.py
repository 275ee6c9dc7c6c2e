"""Replay, promotion and what follows over logs in memory: as if an added metric had been counted from the beginning."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.count.state import Entry
from agents.core.replay.refold import Emitted
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from pipeline.errors import StartupError
from pipeline.kafka.appender import SoleLog
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.corrections import compare_corrections
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import compare, last_is_highest
from pipeline.replay.comparing import compare_partition
from pipeline.replay.folding import Folding, replay_partition
from pipeline.replay.live import Verdict
from pipeline.replay.promoting import Promotion
from pipeline.replay.request import ask
from pipeline.replay.start import Peek, Stretch
from pipeline.settings.settings import load_settings
from schemas.wire.clean import CleanChunk, decode_chunk
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.core.world import World
from tests.meters import METERS, METERS_FILE

ADDED = ("prompts", "active_installations", "mau", "bytes_uploaded", "encrypted", "call_duration")
CLEAN, STATE = "footfall.clean.v1", "footfall-aggregate-state-changelog"
LIVE, CORRECTIONS, COPY = "footfall.aggregates.v1", "footfall.corrections.v1", "footfall.aggregates.v1.x"
SETTINGS = load_settings(partitions=PARTITIONS, lateness="P3D", max_series=2, catalogue=METERS_FILE)


class Stored(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None


class Broker:
    """Logs in memory, as reader and as appender."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[Stored]] = defaultdict(list)

    def put(self, topic: str, partition: int, rows: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        log = self.logs[topic, partition]
        for key, value in rows:
            log.append(Stored(len(log), key, value))

    async def append(
        self, topic: str, partition: int, rows: Iterable[Any], _bytes: int = 0, *, whole: bool = False
    ) -> list[int]:
        given = [(key, value) for key, value, _ in rows]
        base = len(self.logs[topic, partition])
        self.put(topic, partition, given)
        return [base, len(given)] if given else []

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, len(self.logs[topic, partition])

    async def end(self, topic: str, partition: int) -> int:
        return len(self.logs[topic, partition])

    async def records(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[list[Stored]]:
        found = self.logs[topic, partition][start:end]
        for begin in range(0, len(found), 7):
            yield found[begin : begin + 7]

    def stored(self, topic: str) -> list[StoredRecord]:
        return [
            StoredRecord(partition, each.offset, 0, each.key, each.value, ())
            for (name, partition), log in sorted(self.logs.items())
            if name == topic
            for each in log
        ]


class Chunks(Peek):
    def __init__(self, broker: Broker) -> None:
        super().__init__(None, CLEAN)  # type: ignore[arg-type]
        self.broker = broker

    async def chunk(self, partition: int, offset: int) -> CleanChunk:
        return decode_chunk(self.broker.logs[CLEAN, partition][offset].value or b"")


class Live:
    """Worker aggregate of one partition, with these metrics; it begins by restoring and mending."""

    def __init__(self, broker: Broker, partition: int, metrics: Sequence[str] = tuple(METERS.metrics)) -> None:
        self.broker, self.partition = broker, partition
        self.fold = AggregateFold(replace(DECIDING, catalogue=METERS.only(metrics)), partition)
        joined = JoinedLog()
        for each in broker.logs[STATE, partition]:
            joined.apply(each.key or b"", each.value)
        self.fold.restore(joined.items())
        self.emission = Emission(self.fold)
        found = broker.logs[LIVE, partition][self.fold.entry.sink_next :]
        again = [self.emission.again((each.key or b"").decode()) for each in found]
        broker.put(LIVE, partition, [each for each in again if each is not None])

    def run(self, until: int | None = None) -> None:
        log = self.broker.logs[CLEAN, self.partition]
        for each in log[self.fold.entry.clean_next : until]:
            for part in self.fold.fold([(each.offset, decode_chunk(each.value or b""))]):
                rows = [change.record(self.partition) for change in part.corrections]
                self.broker.put(CORRECTIONS, self.partition, rows)
                self.broker.put(STATE, self.partition, [(write.key, write.value) for write in part.writes])
            self.emit()

    def emit(self) -> None:
        if not self.emission.begin():
            return
        while self.emission.under_way:
            self.broker.put(LIVE, self.partition, self.emission.draw(5))
        write = self.emission.finish(len(self.broker.logs[LIVE, self.partition]))
        self.broker.put(STATE, self.partition, [(write.key, write.value)])


def folding(broker: Broker, begin: str, metrics: Sequence[str]) -> Folding:
    entries = {}
    for partition in range(PARTITIONS):
        last = broker.logs[STATE, partition][-1]
        assert last.key == ENTRY_KEY
        entries[partition] = Entry.read(last.value or b"", PARTITIONS)
    asked = ask(SETTINGS, begin, None, metrics, "clean", False)
    return Folding(SETTINGS, asked, broker, Chunks(broker), entries, None, lambda _, __: None)  # type: ignore[arg-type]


async def nothing(_: Emitted) -> None:
    return None


async def copied(broker: Broker, at_hand: Folding, partition: int, end: int) -> int:
    async def sink() -> SoleLog:
        return SoleLog(broker, COPY, partition, len(broker.logs[COPY, partition]))  # type: ignore[arg-type]

    written = await replay_partition(at_hand, Stretch(partition, 0, end), COPY, sink, nothing)
    return written.appended


def world_of(seed: int) -> tuple[Broker, World]:
    world, broker = World(DECIDING, PARTITIONS, lambda left: min(left, 6)), Broker()
    world.append(random_log(seed, 500))
    for partition in range(PARTITIONS):
        world.anonymize(partition)
        broker.put(CLEAN, partition, [(None, value) for value in world.clean[partition]])
    return broker, world


@pytest.mark.parametrize("seed", range(8))
def test_an_added_metric_is_promoted_as_if_it_had_always_been_there(seed: int) -> None:
    async def scenario() -> None:
        broker, _ = world_of(seed)
        old = [name for name in METERS.metrics if name not in ADDED]
        ends = [len(broker.logs[CLEAN, partition]) * (3 + seed % 4) // 7 for partition in range(PARTITIONS)]
        for partition, end in enumerate(ends):
            Live(broker, partition, old).run(end)
        at_hand = folding(broker, "2026-10-01", ADDED)
        for partition, end in enumerate(ends):
            assert await copied(broker, at_hand, partition, end) > 0
            assert await copied(broker, at_hand, partition, end) == 0
        for partition, end in enumerate(ends):
            emitted = at_hand.entries[partition]
            refold = at_hand.refolds[partition]
            found = await compare_partition(at_hand.reader, (LIVE, COPY), partition, refold, emitted, DECIDING)
            assert found.verdicts[Verdict.EQUAL] == 0
            assert found.verdicts.total() > 0
            promotion = Promotion(at_hand, Stretch(partition, 0, end), COPY)
            await promotion.judge()
            assert promotion.lacking > 0
            assert not promotion.compared.verdicts[Verdict.DIFFERENT]
            await promotion.write(broker)  # type: ignore[arg-type]
            again = Promotion(at_hand, Stretch(partition, 0, end), COPY)
            await again.judge()
            assert again.lacking == 0
            Live(broker, partition).run()
        expected = expected_of(random_log(seed, 500), DECIDING, PARTITIONS)
        view = SinkView()
        view.apply(broker.stored(LIVE))
        assert compare(view.records, expected.figures) == []
        assert last_is_highest(broker.stored(LIVE)) == []
        assert compare_corrections(broker.stored(CORRECTIONS), expected.corrections, view.records) == []
        assert any(identity.split("|")[1] in ADDED for identity, _ in expected.corrections)

    asyncio.run(scenario())


def test_what_lies_ahead_in_the_state_is_not_lacking() -> None:
    async def scenario() -> None:
        broker, _ = world_of(4)
        ends = [len(broker.logs[CLEAN, partition]) // 2 for partition in range(PARTITIONS)]
        for partition, end in enumerate(ends):
            Live(broker, partition).run(end)
        at_hand = folding(broker, "2026-10-01", ["mau"])
        for partition, end in enumerate(ends):
            await copied(broker, at_hand, partition, end)
            assert len([*at_hand.refolds[partition].unshown()]) > 20
            promotion = Promotion(at_hand, Stretch(partition, 0, end), COPY)
            await promotion.judge()
            assert promotion.lacking == 0
            assert not promotion.compared.verdicts[Verdict.DIFFERENT]

    asyncio.run(scenario())


def test_a_worker_that_counted_a_window_half_way_is_a_difference_and_nothing_is_written() -> None:
    async def scenario() -> None:
        broker, _ = world_of(2)
        ends = [len(broker.logs[CLEAN, partition]) for partition in range(PARTITIONS)]
        for partition, end in enumerate(ends):
            Live(broker, partition, [name for name in METERS.metrics if name not in ADDED]).run(end // 2)
            Live(broker, partition).run()
        at_hand = folding(broker, "2026-10-01", ADDED)
        differences = 0
        for partition, end in enumerate(ends):
            await copied(broker, at_hand, partition, end)
            promotion = Promotion(at_hand, Stretch(partition, 0, end), COPY)
            await promotion.judge()
            differences += promotion.compared.verdicts[Verdict.DIFFERENT]
        assert differences > 0

    asyncio.run(scenario())


def test_a_foreign_write_and_a_worker_that_is_behind_are_refused() -> None:
    async def scenario() -> None:
        broker, _ = world_of(1)
        end = len(broker.logs[CLEAN, 0])
        for partition in range(PARTITIONS):
            Live(broker, partition, [name for name in METERS.metrics if name not in ADDED]).run(end // 2)
        at_hand = folding(broker, "2026-10-01", ADDED)
        await copied(broker, at_hand, 0, end)
        with pytest.raises(StartupError, match="has not got to the replay's end"):
            await Promotion(at_hand, Stretch(0, 0, end), COPY).judge()
        broker.logs[COPY, 0].clear()
        await copied(broker, at_hand, 0, end // 2)
        promotion = Promotion(at_hand, Stretch(0, 0, end // 2), COPY)
        await promotion.judge()
        broker.put(STATE, 0, [broker.logs[STATE, 0][-1][1:]])
        with pytest.raises(StartupError, match="worker aggregate wrote"):
            await promotion.write(broker)  # type: ignore[arg-type]
        last = broker.logs[COPY, 0].pop()
        with pytest.raises(StartupError, match="is not complete"):
            await Promotion(at_hand, Stretch(0, 0, end // 2), COPY).judge()
        figure = json.loads(last.value or b"")
        broker.put(COPY, 0, [(last.key, json.dumps(figure | {"value": figure["value"] + 1}).encode())])
        with pytest.raises(StartupError, match="holds what this replay does not come to"):
            await Promotion(at_hand, Stretch(0, 0, end // 2), COPY).judge()

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(8))
def test_a_replay_equals_the_live_sink_whatever_the_period(seed: int) -> None:
    async def scenario() -> None:
        broker, _ = world_of(seed)
        for partition in range(PARTITIONS):
            Live(broker, partition).run()
        for begin in ("2026-10-01", "2026-11-22", "2026-11-25T07:00:00Z", "2027-03-01"):
            at_hand = folding(broker, begin, [])
            for partition in range(PARTITIONS):
                broker.logs[COPY, partition].clear()
                await copied(broker, at_hand, partition, len(broker.logs[CLEAN, partition]))
                refold, emitted = at_hand.refolds[partition], at_hand.entries[partition]
                found = await compare_partition(at_hand.reader, (LIVE, COPY), partition, refold, emitted, DECIDING)
                assert found.equal, found.differences[:3]
                assert found.verdicts[Verdict.MOVED_ON] == 0
                assert (found.verdicts[Verdict.EQUAL] > 0) == (begin < "2027")

    asyncio.run(scenario())
