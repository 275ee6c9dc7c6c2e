"""``python -m tests.fuzz_batches --count N --seed S``: whole batches, changed at random, through a real broker.

Behind each of them goes a good event. After every round the sink, the books and the rejections must equal the oracle's,
every good event count, and all workers live: one of them has the compiled reader, one reads in Python. ``--report``
appends the run to a file, one JSON object a line, of which ``docs/reliability.md`` is made.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.broker.embedded import embedded
from pipeline.broker.topics import apply
from pipeline.proof.oracle import OracleResult
from schemas.reasons import Reason
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench
from tests.hostile_batches import CASES, COMPANIES, without_compiler
from tests.kafka_batches import CODECS, Batch, Wire, Wrong, compress, record, varint, xerial

__all__ = ["Fuzzed", "fuzz"]

_ROUND = 2500
_NUMBERS = (-(2**31), -3, -2, -1, 0, 1, 2, 5, 127, 128, 2**31 - 1)


@dataclass
class Fuzzed:
    """What a run came to; of the batches that were sent, brokers take some."""

    seed: int
    taken: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    good: int = 0
    counted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    starts: int = 0
    """Of workers, each of which was alive at the end of its rounds."""
    seconds: float = 0.0


class Drawn:
    """Draws batches; ``good`` events are told from others by their type."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._wrong = Wrong(rng)
        self._sequence = 0

    def record(self, partition: int, delta: int, kind: str = "message.sent") -> bytes:
        self._sequence += 1
        company, now = COMPANIES[partition], instant(int(time.time() * 1000), fraction=True)
        event = {"specversion": "1.0", "id": f"{self._sequence}", "source": kind, "sequence": self._sequence}
        event |= {"type": kind, "company": company, "time": now, "data": {"role": "user"}}
        return record(delta, company.encode(), json.dumps(event).encode())

    def good(self, partition: int) -> bytes:
        return Batch([self.record(partition, 0, "chat.created")]).data()

    def batch(self, partition: int) -> bytes:
        """One that is wrong in one way or several, or in none that matters."""
        rng = self._rng
        if rng.random() < 0.15:
            case = rng.choice(list(CASES.values()))
            return case.build(lambda delta: self.record(partition, delta)).data()
        records = [self.record(partition, delta) for delta in range(rng.randint(1, 4))]
        count = len(records)
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            self._change(records, rng.randrange(count))
        codec = rng.choice([0, 0, 0, *CODECS.values()])
        batch = Batch(records, codec, count=count, attributes=rng.choice([0, 0, 0, 0x40, 0x80, 0x7F80]))
        if rng.random() < 0.25 and codec:
            batch = Batch([], codec, payload=self._framed(codec, b"".join(records)), count=count)
        data = batch.data()
        return self._wrong.changed(data, rng.randint(0, 2), 2) if rng.random() < 0.3 else data

    def _change(self, records: list[bytes], at: int) -> None:
        """A length or a number of one record said otherwise, or some of its bytes."""
        rng, draw = self._rng, self._rng.random()
        headers = [(rng.randbytes(rng.randrange(3)), rng.choice([None, b"v"])) for _ in range(rng.randrange(3))]
        if draw < 0.5:
            name = rng.choice(["key_length", "value_length", "header_count", "name_length", "header_length", "length"])
            more = {name: rng.choice(_NUMBERS)} if rng.random() < 0.8 else {"tail": b"xyz"}
            records[at] = record(at, b"k", b"{}", headers, attributes=rng.randrange(256), **more)  # type: ignore[arg-type]
        elif draw < 0.7:
            delta = varint(rng.choice(_NUMBERS), rng.choice([0, 0, 5, 6]))
            records[at] = record(at, b"k", b"{}", headers, emitted_delta=delta, time=rng.choice([0, 2**62, -(2**62)]))
        else:
            changed = bytearray(records[at])
            for _ in range(rng.randint(1, 3)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            records[at] = bytes(changed)

    def _framed(self, codec: int, data: bytes) -> bytes:
        rng = self._rng
        whole = xerial(data, *rng.choice([(1, 1), (1, 1), (2, 1), (1, 2)])) if codec == 2 else compress(codec, data)
        draw = rng.random()
        if draw < 0.3:
            return whole + rng.randbytes(rng.randrange(12))
        if draw < 0.6:
            return whole + whole[: rng.randrange(len(whole))]
        if draw < 0.8:
            cut = rng.randrange(len(data))
            return compress(codec, data[:cut]) + compress(codec, data[cut:])
        changed = bytearray(whole)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)


async def fuzz(bench: Bench, count: int, seed: int) -> Fuzzed:
    """Send until ``count`` batches were taken; raises AssertionError where anything is wrong then."""
    began, found = time.monotonic(), Fuzzed(seed)
    rng, refused = random.Random(seed), Counter[str]()
    drawn = Drawn(rng)
    while found.taken < count:
        async with _workers(bench, found), Wire(bench.brokers, bench.topic("raw")) as wire:
            until = min(count, found.taken + _ROUND)
            while found.taken < until:
                partition = rng.randrange(PARTITIONS)
                sent = await wire.send(partition, drawn.batch(partition))
                if sent.error:
                    refused[sent.error] += 1
                    continue
                assert not (await wire.send(partition, drawn.good(partition))).error
                found.taken, found.good = found.taken + 1, found.good + 1
            expected = await bench.all_equal()
            assert _good(expected) == found.good
    found.counted, found.refused = expected.counted, dict(refused)
    found.rejected = {reason.value: number for reason, number in sorted(expected.by_reason.items())}
    found.seconds = time.monotonic() - began
    assert found.rejected.get(Reason.UNREADABLE.value)
    return found


@asynccontextmanager
async def _workers(bench: Bench, found: Fuzzed) -> AsyncIterator[None]:
    """One that reads compiled, one that does not, and one that counts; all live at the end."""
    started = [
        bench.start("anonymize"),
        bench.start("anonymize", variables=without_compiler()),
        bench.start("aggregate"),
    ]
    found.starts += len(started)
    yield
    assert [worker.process.poll() for worker in started] == [None] * len(started), bench.logs()[-3000:]
    assert [await worker.stop() for worker in started] == [0] * len(started)


def _good(expected: OracleResult) -> int:
    figures = expected.figures.values()
    return sum(
        each["value"] for each in figures if each["metric"] == "chats_created" and each["window"]["size"] == "P1M"
    )


async def _run(count: int, seed: int) -> Fuzzed:
    with tempfile.TemporaryDirectory() as folder:
        async with embedded(Path(folder) / "kafka") as brokers:
            bench = Bench(brokers, f"fuzz{secrets.token_hex(4)}", Path(folder))
            bench.deadline = 600
            await apply(bench.settings)
            try:
                return await fuzz(bench, count, seed)
            finally:
                await bench.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_batches", description="Changed batches, by a seed.")
    parser.add_argument("--count", type=int, default=300, help="batches that the broker takes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="append the run to this file, a JSON object a line")
    given = parser.parse_args()
    told = json.dumps(asdict(asyncio.run(_run(given.count, given.seed))))
    sys.stdout.write(told + "\n")
    if given.report:
        with given.report.open("a") as report:
            report.write(told + "\n")


if __name__ == "__main__":
    main()
