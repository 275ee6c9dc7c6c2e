"""Bytes that no client writes, on the real broker with real workers: one verdict each, and everything else goes on.

Both forms of the reader: a worker without its compiled part is one whose Python finds none.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.broker.topics import apply
from pipeline.processes import WorkerProcess, metric_total
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.old_times import taking_old_times
from tests.core.test_plain_run import NEEDS_COMPILER
from tests.hostile_batches import BOMBS, CASES, COMPANIES, Case, without_compiler
from tests.kafka_batches import Batch, Wire, record

pytestmark = pytest.mark.broker


@dataclass
class Writer:
    """Appends hostile batches and good ones behind them, and keeps what is to come of both."""

    wire: Wire
    now: int
    """Append times where the topic takes them."""
    counted: int = 0
    verdicts: set[tuple[object, ...]] = field(default_factory=set)
    _sequence: int = 0

    def good(self, partition: int, delta: int) -> bytes:
        self._sequence += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self._sequence}",
            "source": "site",
            "sequence": self._sequence,
            "type": "message.sent",
            "company": COMPANIES[partition],
            "time": instant(self.now, fraction=True),
            "data": {"role": "user", "user": f"user{self._sequence % 7}"},
        }
        return record(delta, COMPANIES[partition].encode(), json.dumps(event).encode())

    async def append(self, name: str, case: Case, partition: int) -> None:
        batch = case.build(lambda delta: self.good(partition, delta))
        base = await self._send(name, batch, partition)
        if case.verdicts is None:
            self.verdicts.add((partition, base, "", Reason.UNREADABLE))
        else:
            self.verdicts |= {(partition, base + delta, "", Reason.UNREADABLE) for delta in case.verdicts}
            self.counted += (batch.count or len(batch.records)) - len(case.verdicts)

    async def append_good(self, partition: int) -> None:
        await self._send("good", Batch([self.good(partition, 0)]), partition)
        self.counted += 1

    async def _send(self, name: str, batch: Batch, partition: int) -> int:
        sent = await self.wire.send(partition, batch.at(self.now).data())
        assert not sent.error, (name, sent.error)
        return sent.offset


async def holds(bench: Bench, writer: Writer) -> None:
    """Sink, books and rejections are what they are to be, and nothing but the verdicts was rejected."""
    expected = await bench.all_equal()
    assert expected.counted == writer.counted
    assert await bench.rejected() == writer.verdicts


def living(*workers: WorkerProcess) -> None:
    assert [worker.process.poll() for worker in workers] == [None] * len(workers)


@pytest.mark.parametrize("variables", [pytest.param({}, marks=NEEDS_COMPILER), without_compiler()], ids=["C", "Python"])
def test_each_is_one_verdict_and_whatever_comes_behind_it_counts(
    brokers: str, prefix: str, tmp_path: Path, variables: Mapping[str, str]
) -> None:
    async def scenario(bench: Bench) -> None:
        hour = int(time.time() * 1000) // HOUR_MS * HOUR_MS - 3 * HOUR_MS
        async with taking_old_times(bench), Wire(brokers, bench.topic("raw")) as wire:
            writer = Writer(wire, hour)
            for number, (name, case) in enumerate(CASES.items()):
                await writer.append(name, case, number % PARTITIONS)
                await writer.append_good(number % PARTITIONS)
            writer.now += HOUR_MS
            for partition in range(PARTITIONS):  # an hour that begins with one, and closes the one before
                await writer.append("first of an hour", CASES["a length too long, gzip"], partition)
                await writer.append_good(partition)
        await apply(bench.settings)
        pair = [bench.start(kind, variables=variables) for kind in ("anonymize", "aggregate")]
        await holds(bench, writer)
        living(*pair)
        told_of_it(pair[0], writer)
        await commands_read_past_it(bench, writer, variables)
        async with Wire(brokers, bench.topic("raw")) as wire:
            writer.wire, writer.now = wire, int(time.time() * 1000)
            for name, case in BOMBS.items():  # while they run
                await writer.append(name, case, 0)
                await writer.append_good(0)
            await holds(bench, writer)
            living(*pair)
            assert [await worker.stop() for worker in pair] == [0, 0]
            await writer.append("while nobody runs", CASES["an offset twice"], 1)
            pair = [bench.start(kind, variables=variables) for kind in ("anonymize", "aggregate")]
            await writer.append_good(1)
            await holds(bench, writer)
            await asyncio.gather(*(worker.ready() for worker in pair))
            living(*pair)

    asyncio.run(run(brokers, prefix, tmp_path, scenario, made=False))


def told_of_it(worker: WorkerProcess, writer: Writer) -> None:
    """By its metric, and by offset in its log."""
    page = worker.get("/metrics")[1]
    assert metric_total(page, "footfall_rejected_total", reason="unreadable") == len(writer.verdicts)
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if '"event": "unreadable"' in line]
    assert sum(line["number"] for line in lines) == len(writer.verdicts)
    assert {(line["partition"], line["first"]) for line in lines} <= {verdict[:2] for verdict in writer.verdicts}


async def commands_read_past_it(bench: Bench, writer: Writer, variables: Mapping[str, str]) -> None:
    names = ("verify", "rejected", "oracle", "audit", "audit --against-raw", "doctor", "topics fold")
    told = await asyncio.gather(*(bench.footfall(*name.split(), variables=variables, **bench.keys) for name in names))
    answers = dict(zip(names, told, strict=True))
    assert {name: (each.code, each.err[-500:]) for name, each in answers.items() if each.code} == {}
    assert f"of {writer.counted:,} counted events" in answers["verify"].out
    assert f"{len(writer.verdicts):,} rejected" in answers["rejected"].out
    figure = next(line for line in answers["oracle"].out.splitlines() if '"user_messages"' in line)
    explained = await bench.footfall("explain", json.loads(figure)["id"], variables=variables)
    assert explained.code == 0, explained.err[-500:]
