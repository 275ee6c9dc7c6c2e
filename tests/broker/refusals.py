"""Workers that end by a refusal, and a deployment that was at work and is stopped."""

import asyncio

from pipeline.processes import WorkerProcess
from tests.broker.bench import Bench

__all__ = ["fed_and_stopped", "refused"]


async def refused(worker: WorkerProcess, *words: str, deadline: float = 30) -> str:
    """The worker ends with exit code 2 and a line that holds ``words``; returns the line."""
    assert await asyncio.to_thread(worker.process.wait, deadline) == 2
    line = worker.log.read_text().strip().splitlines()[-1]
    assert line.startswith("footfall: ")
    for word in words:
        assert word in line, line
    return line


async def fed_and_stopped(bench: Bench) -> None:
    pair = [bench.start("anonymize"), bench.start("aggregate")]
    await bench.feed(1, 500)
    await bench.equal()
    assert [await worker.stop() for worker in pair] == [0, 0]
