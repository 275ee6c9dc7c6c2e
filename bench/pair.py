"""Workers of both kinds over a loaded topic, as processes on a real broker: rate, CPU, memory, and the sink."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from bench.workload import Workload, load
from pipeline.broker.topics import apply
from pipeline.kafka.reader import Progress
from pipeline.processes import WorkerProcess, metric_total, new_keys, start_worker
from pipeline.proof.judgement import judge
from pipeline.settings.settings import load_settings
from schemas.topics import topic_name

__all__ = ["PairResult", "run_pair"]

_DEADLINE = 600.0
_SETTLE = 60.0
_KINDS = ("anonymize", "aggregate")
_Amount = TypeVar("_Amount", int, float)


@dataclass(slots=True)
class PairResult:
    """What one pair did. The steady part runs from the first sight of folded events to the last counted one."""

    prefix: str
    """Of its topics."""
    events: int
    seconds: float
    """From the start of the processes until the last event was counted, start-up included."""
    steady_events: int
    steady_seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each kind of worker in the steady part."""
    rss: dict[str, int] = field(default_factory=dict)
    """Resident set of each kind at the end, bytes."""
    figures: int = 0
    differences: int = -1
    """Of the sink against the oracle; -1 where it was not compared."""

    @property
    def rate(self) -> float:
        """Events a second of wall-clock."""
        return self.steady_events / self.steady_seconds

    def cpu_per_million(self, kind: str) -> float:
        """CPU seconds of one worker for a million events."""
        return self.cpu[kind] / self.steady_events * 1e6


async def run_pair(
    brokers: str,
    folder: Path,
    workload: Workload,
    *,
    emit_interval: float = 1,
    workers: int = 1,
    deciding: Mapping[str, str] | None = None,
    compare: bool = True,
    progress: Progress | None = None,
) -> PairResult:
    """Load fresh topics, start ``workers`` of each kind, measure until every event is counted, compare the sink.

    ``deciding`` are settings, named without their prefix.
    """
    prefix = f"bench-{secrets.token_hex(4)}"
    given = {
        "BROKERS": brokers,
        "TOPIC_PREFIX": prefix,
        "PARTITIONS": str(workload.partitions),
        "EMIT_INTERVAL": str(emit_interval),
        **(deciding or {}),
    }
    keys = new_keys()
    settings = load_settings(**{name.lower(): value for name, value in (given | keys).items()})
    await apply(settings)
    await load(brokers, topic_name(prefix, "raw"), workload)
    started = _start(given, keys, folder, workers)
    try:
        result = await _measure(prefix, started, workload.events, progress)
        if compare:
            judgement = await judge(settings, wait=_SETTLE)
            result.figures, result.differences = len(judgement.expected.figures), len(judgement.differences)
        return result
    finally:
        for worker in started:
            await worker.stop()


def _start(given: dict[str, str], keys: dict[str, str], folder: Path, workers: int) -> list[WorkerProcess]:
    """So many of each kind; the keys are for ``anonymize`` alone."""
    prefix = given["TOPIC_PREFIX"]
    return [
        start_worker(kind, given | (keys if kind == "anonymize" else {}), folder / f"{prefix}-{number}")
        for kind in _KINDS
        for number in range(workers)
    ]


async def _measure(prefix: str, workers: list[WorkerProcess], events: int, progress: Progress | None) -> PairResult:
    began = time.perf_counter()
    seen = [(worker.kind, psutil.Process(worker.process.pid)) for worker in workers]
    steady: tuple[float, int, dict[str, float]] | None = None
    while time.perf_counter() - began < _DEADLINE:
        await asyncio.sleep(0.1)
        for worker in workers:
            if worker.process.poll() is not None:
                raise RuntimeError(f"worker {worker.kind} ended; read {worker.log}")
        counted = await asyncio.to_thread(_counted, workers)
        if not counted:
            continue
        now, cpu = time.perf_counter(), _by_kind(seen, _cpu)
        if steady is None:
            steady = now, counted, cpu
        if progress is not None:
            progress(counted, events)
        if counted >= events:
            result = PairResult(prefix, events, now - began, events - steady[1], now - steady[0])
            result.cpu = {kind: cpu[kind] - steady[2][kind] for kind in _KINDS}
            result.rss = _by_kind(seen, lambda process: process.memory_info().rss)
            return result
    raise RuntimeError(f"not every event was counted within {_DEADLINE:.0f} s")


def _counted(workers: list[WorkerProcess]) -> int:
    pages = [worker.get("/metrics")[1] for worker in workers if worker.kind == "aggregate"]
    return sum(int(metric_total(page, "footfall_counted_total") or 0) for page in pages)


def _by_kind(seen: list[tuple[str, psutil.Process]], amount: Callable[[psutil.Process], _Amount]) -> dict[str, _Amount]:
    return {kind: sum(amount(process) for each, process in seen if each == kind) for kind in _KINDS}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
