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
from pipeline.kafka.codecs import MOST_BYTES
from pipeline.processes import WorkerProcess, metric_total
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.old_times import taking_old_times
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.hostile_batches import BOMBS, CASES, COMPANIES, Case, without_compiler
from tests.kafka_batches import CODECS, Batch, Wire, record

pytestmark = pytest.mark.broker
_TINY, _HEADED = 100_000, 20
_MOST_MEMORY = 700 << 20


@dataclass
class Writer:
    """Appends hostile batches and good ones behind them, and keeps what is to come of both."""

    wire: Wire
    now: int
    """Append times where the topic takes them."""
    counted: int = 0
    verdicts: set[tuple[object, ...]] = field(default_factory=set)
    _sequence: int = 0

    def good(self, partition: int, delta: int, text: str = "") -> bytes:
        self._sequence += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self._sequence}",
            "source": "site",
            "sequence": self._sequence,
            "type": "message.sent",
            "company": COMPANIES[partition],
            "time": instant(self.now, fraction=True),
            "data": {"role": "user", "user": f"user{self._sequence % 7}", "text": text},
        }
        return record(delta, COMPANIES[partition].encode(), json.dumps(event).encode())

    async def append(self, name: str, case: Case, partition: int) -> None:
        batch = case.build(lambda delta: self.good(partition, delta))
        base = await self._send(name, batch, partition)
        if case.verdicts is None:
            self.verdicts.add((partition, base, "", Reason.UNREADABLE, 0))
        else:
            self.verdicts |= {(partition, base + delta, "", Reason.UNREADABLE, 0) for delta in case.verdicts}
            self.counted += (batch.count or len(batch.records)) - len(case.verdicts)

    def large(self, partition: int) -> Batch:
        """Just within the bound, of which a sixtieth is stored."""
        found, size = list[bytes](), 0
        while size < MOST_BYTES:
            found.append(self.good(partition, len(found), "x" * 3000))
            size += len(found[-1])
        return Batch(found[:-1], CODECS["zstd"])

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
    explained = await bench.footfall("explain", json.loads(figure)["id"], variables=variables, **bench.keys)
    assert explained.code == 0, explained.err[-500:]


def peak_memory(worker: WorkerProcess) -> int:
    """Bytes that were resident at most."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


async def ends_with_a_line(worker: WorkerProcess, *words: str) -> None:
    assert await asyncio.to_thread(worker.process.wait, 60) == 2
    line = worker.log.read_text().strip().splitlines()[-1]
    assert line.startswith("footfall: ")
    assert [word for word in words if word not in line] == [], line


def test_where_services_alone_write_it_is_refused_in_one_line(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        hostile = Batch([record(0, b"k"), record(0, b"k")]).data()

        async def spoil(*shorts: str) -> None:
            for short in shorts:
                async with Wire(brokers, bench.topic(short)) as wire:
                    assert not (await wire.send(0, hostile)).error

        pair = [bench.start(kind) for kind in ("anonymize", "aggregate")]
        await bench.feed(1, 50)
        await bench.equal()
        assert await pair[0].stop() == 0
        await spoil("anonymize-state")
        await ends_with_a_line(bench.start("anonymize"), bench.topic("anonymize-state"), "bytes that are no records")
        await spoil("clean", "aggregates", "rejected")
        words = (bench.topic("clean"), "partition 0 offset", "holds bytes that are no records", "who else writes")
        await ends_with_a_line(pair[1], *words)
        await ends_with_a_line(bench.start("aggregate"), bench.topic("anonymize-state"), *words[1:])
        for command in ("watch --once", "rejected"):
            answer = await bench.footfall(*command.split())
            assert answer.code == 0, answer

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_memory_stays_within_its_bound_whatever_lies_in_the_log(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        async with Wire(brokers, bench.topic("raw")) as wire:
            writer = Writer(wire, int(time.time() * 1000))
            many = Batch([record(delta) for delta in range(_TINY)], CODECS["zstd"]).data()
            headed = Batch([record(at, headers=[(b"", b"")] * 13_000) for at in range(_HEADED)], CODECS["zstd"]).data()
            for partition in range(PARTITIONS):
                large = writer.large(partition).data()
                for _ in range(4):
                    assert not (await wire.send(partition, large)).error
                for name, case in BOMBS.items():
                    await writer.append(name, case, partition)
                assert not (await wire.send(partition, headed)).error
            assert not (await wire.send(0, many)).error
            worker = bench.start("anonymize")

            async def all_judged() -> bool:
                page = await asyncio.to_thread(worker.get, "/metrics")
                told = [metric_total(page[1], "footfall_rejected_total", reason=reason) for reason in wanted]
                return told == [*wanted.values()]

            wanted = {Reason.UNREADABLE: len(writer.verdicts), Reason.NOT_JSON: _TINY + _HEADED * PARTITIONS}
            await bench.until(all_judged)
            living(worker)
            assert peak_memory(worker) < _MOST_MEMORY

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
