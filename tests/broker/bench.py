"""A prefix on the real broker with workers as processes: fed, compared with the oracle, stopped."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.broker.digests import Announced, announce
from pipeline.broker.topics import apply
from pipeline.kafka.reader import read_topic
from pipeline.preflight import require_key
from pipeline.processes import WorkerProcess, new_keys, start_worker
from pipeline.proof.corrections import compare_corrections
from pipeline.proof.judgement import oracle_keys
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.oracle import OracleKeys, OracleResult, expect
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import Difference, compare, last_is_highest, wrong_pages
from pipeline.settings.settings import Settings, load_settings
from schemas.deciding import Deciding
from schemas.topics import TOPICS, topic_name
from schemas.wire.rejections import decode_rejection
from tests.broker.load import CANARY, make_load, publish

__all__ = ["DEADLINE", "PARTITIONS", "Answer", "Bench", "run"]

PARTITIONS = 4
DEADLINE = 180.0


class Answer(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


class Bench:
    """One prefix on the broker: starts workers, feeds raw, compares the sink; ``settings`` are given to all workers."""

    def __init__(self, brokers: str, prefix: str, folder: Path, **settings: str) -> None:
        self.brokers = brokers
        self.folder = folder
        self.deadline = DEADLINE
        self._more = settings
        lower = {name.lower(): value for name, value in settings.items()}
        self.settings: Settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=PARTITIONS, **lower)
        self.workers: list[WorkerProcess] = []
        self.keys = new_keys()
        self.digests: dict[str, Deciding] = {}

    def topic(self, short: str) -> str:
        return topic_name(self.settings.topic_prefix, short)

    def other(self, **settings: Any) -> Settings:
        """The settings of this bench's deployment with its keys, and ``settings`` beside or in place of them."""
        given: dict[str, Any] = {name.lower(): value for name, value in (self._more | self.keys).items()}
        given |= {"brokers": self.brokers, "topic_prefix": self.settings.topic_prefix, "partitions": PARTITIONS}
        return load_settings(**(given | settings))

    async def announce(self, **settings: Any) -> list[int]:
        """As ``footfall topics fold`` with other settings; returns the partitions that it appended to."""
        return (await self.announced(**settings)).partitions

    async def announced(self, **settings: Any) -> Announced:
        """As :meth:`announce`, with what was in force before."""
        other = self.other(**settings)
        keys = require_key("anonymize", other)
        assert keys is not None
        self.digests |= {other.digest(): other.deciding()}
        return await announce(other, keys)

    def settle_on(self, changed: Mapping[str, str]) -> None:
        """Start every further worker with settings that were announced."""
        self._more |= changed

    def oracle_keys(self) -> OracleKeys:
        """What tells the genuine ticks and control records of this bench."""
        return oracle_keys(self.other(), "the bench")

    def start(
        self, kind: str, *arguments: str, variables: Mapping[str, str] | None = None, **more: str
    ) -> WorkerProcess:
        """Start a worker; ``more`` are settings by their names, ``variables`` of its environment beside them."""
        given = {
            "BROKERS": self.brokers,
            "TOPIC_PREFIX": self.settings.topic_prefix,
            "PARTITIONS": str(PARTITIONS),
            "EMIT_INTERVAL": "1",
            "SESSION_TIMEOUT": "6",
        }
        if kind == "anonymize":
            given |= self.keys
        name = f"{kind}-{len(self.workers)}"
        worker = start_worker(kind, given | self._more | more, self.folder, name, arguments, variables)
        self.workers.append(worker)
        return worker

    async def footfall(self, *arguments: str, variables: Mapping[str, str] | None = None, **more: str) -> Answer:
        """Run the program once, as another process; ``more`` are settings by their names, the keys are none of them.

        ``variables`` are of its environment beside them.
        """
        given = {"BROKERS": self.brokers, "TOPIC_PREFIX": self.settings.topic_prefix, "PARTITIONS": str(PARTITIONS)}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FOOTFALL_")}
        environment |= {f"FOOTFALL_{name}": value for name, value in (given | self._more | more).items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working folder is no place to look for another release of the code
            "-c",
            "from pipeline.cli import main; main()",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment | {"COLUMNS": "200"} | dict(variables or {}),
        )
        out, err = await asyncio.wait_for(process.communicate(), self.deadline)
        return Answer(process.returncode or 0, out.decode(), err.decode())

    async def feed(self, seed: int, count: int) -> None:
        await publish(self.brokers, self.topic("raw"), make_load(seed, count, PARTITIONS))

    async def differences(self) -> tuple[list[Difference], OracleResult]:
        """Compare once: what differs now."""
        raw = await read_topic(self.brokers, self.topic("raw"))
        expected = expect(
            raw,
            self.settings.deciding(),
            PARTITIONS,
            topic=self.topic("raw"),
            record_duplicates=self.settings.record_duplicates,
            digests=self.digests,
            keys=self.oracle_keys(),
        )
        sink = await read_topic(self.brokers, self.topic("aggregates"))
        view = SinkView()
        view.apply(sink)
        return [*compare(view.records, expected.figures)], expected

    async def equal(self) -> OracleResult:
        """Wait until the sink equals the oracle; fails with what differs at the deadline."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.deadline
        while True:
            found, expected = await self.differences()
            if not found:
                return expected
            assert loop.time() < until, (len(found), found[:5], self.logs()[-3000:])
            await asyncio.sleep(0.3)

    async def end_is_highest(self) -> None:
        assert not last_is_highest(await read_topic(self.brokers, self.topic("aggregates")))

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait until the condition holds; fails with the end of the logs at the deadline."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.deadline
        while not await condition():
            assert loop.time() < until, self.logs()[-3000:]
            await asyncio.sleep(0.1)

    async def all_equal(self) -> OracleResult:
        """As :meth:`equal`, the rejected records, the books and the corrections too."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.deadline
        while True:
            expected = await self.equal()
            wrong = wrong_pages(await read_topic(self.brokers, self.topic("ledger")), expected.ledger)
            unlike = await self.corrections_unlike(expected)
            if not wrong and not unlike and await self.rejected() == _rejections(expected):
                return expected
            assert loop.time() < until, (wrong[:5], unlike[:5], self.logs()[-3000:])

    async def corrections_unlike(self, expected: OracleResult) -> list[Difference]:
        """What is wrong with the corrections, compared with oracle and sink."""
        view = SinkView()
        view.apply(await read_topic(self.brokers, self.topic("aggregates")))
        stored = await read_topic(self.brokers, self.topic("corrections"))
        return compare_corrections(stored, expected.corrections, view.records)

    async def rejected_as(self, expected: OracleResult) -> None:
        assert await self.rejected() == _rejections(expected)

    async def rejected(self) -> set[tuple[object, ...]]:
        """The verdict of each rejected record so far."""
        stored = await read_topic(self.brokers, self.topic("rejected"))
        return {decode_rejection(record.value or b"").verdict for record in stored}

    async def leaks(self) -> LeakSearch:
        """A search for the load's planted text in every topic but raw and in all logs."""
        search = LeakSearch([CANARY])
        for short in TOPICS:
            if short != "raw":
                search.records(short, await read_topic(self.brokers, self.topic(short)))
        search.look("logs", self.logs().encode())
        return search

    def logs(self) -> str:
        return "".join(worker.log.read_text(errors="replace") for worker in self.workers)

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.stop()


async def run(
    brokers: str,
    prefix: str,
    folder: Path,
    scenario: Callable[[Bench], Awaitable[None]],
    *,
    made: bool = True,
    **given: str,
) -> None:
    """A scenario with a bench of its own; ``given`` are settings of every worker by their names.

    Where the topics are not ``made``, it makes them: raw takes old times before it is as the table says.
    """
    bench = Bench(brokers, prefix, folder, **given)
    if made:
        await apply(bench.settings)
    try:
        await scenario(bench)
    finally:
        await bench.stop()


def _rejections(expected: OracleResult) -> set[tuple[object, ...]]:
    return {each.verdict for each in expected.rejections}
