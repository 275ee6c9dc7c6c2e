"""Both workers over a loaded topic, as processes on a real broker: rate, CPU, memory, and whether the sink is right."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.workload import Workload, load
from pipeline.broker.topics import apply
from pipeline.judgement import judge
from pipeline.processes import WorkerProcess, metric_total, start_worker
from pipeline.reading import Progress
from pipeline.settings import load_settings
from schemas.topics import topic_name

__all__ = ["PairResult", "run_pair"]

_DEADLINE = 600.0
_SETTLE = 60.0
_KINDS = ("anonymize", "aggregate")


@dataclass(slots=True)
class PairResult:
    """What one pair did. The steady part runs from the first sight of folded events to the last counted one."""

    events: int
    seconds: float
    """From the start of the processes until the last event was counted, start-up included."""
    steady_events: int
    steady_seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each worker in the steady part."""
    rss: dict[str, int] = field(default_factory=dict)
    """Resident set at the end, bytes."""
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
    compare: bool = True,
    progress: Progress | None = None,
) -> PairResult:
    """Load fresh topics, start one worker of each kind, measure until every event is counted, compare the sink."""
    prefix = f"bench-{secrets.token_hex(4)}"
    settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=workload.partitions)
    await apply(settings)
    await load(brokers, topic_name(prefix, "raw"), workload)
    given = {
        "BROKERS": brokers,
        "TOPIC_PREFIX": prefix,
        "PARTITIONS": str(workload.partitions),
        "EMIT_INTERVAL": str(emit_interval),
    }
    key = {"PSEUDONYM_KEY": secrets.token_hex(32)}
    workers = {
        kind: start_worker(kind, given | (key if kind == "anonymize" else {}), folder / prefix) for kind in _KINDS
    }
    try:
        result = await _measure(workers, workload.events, progress)
        if compare:
            judgement = await judge(settings, wait=_SETTLE)
            result.figures, result.differences = len(judgement.expected.figures), len(judgement.differences)
        return result
    finally:
        for worker in workers.values():
            await worker.stop()


async def _measure(workers: dict[str, WorkerProcess], events: int, progress: Progress | None) -> PairResult:
    began = time.perf_counter()
    seen = {kind: psutil.Process(worker.process.pid) for kind, worker in workers.items()}
    steady: tuple[float, int, dict[str, float]] | None = None
    while time.perf_counter() - began < _DEADLINE:
        await asyncio.sleep(0.1)
        for worker in workers.values():
            if worker.process.poll() is not None:
                raise RuntimeError(f"worker {worker.kind} ended; read {worker.log}")
        _, page = await asyncio.to_thread(workers["aggregate"].get, "/metrics")
        counted = int(metric_total(page, "footfall_counted_total") or 0)
        if not counted:
            continue
        now, cpu = time.perf_counter(), {kind: _cpu(process) for kind, process in seen.items()}
        if steady is None:
            steady = now, counted, cpu
        if progress is not None:
            progress(counted, events)
        if counted >= events:
            result = PairResult(events, now - began, events - steady[1], now - steady[0])
            result.cpu = {kind: cpu[kind] - steady[2][kind] for kind in seen}
            result.rss = {kind: process.memory_info().rss for kind, process in seen.items()}
            return result
    raise RuntimeError(f"not every event was counted within {_DEADLINE:.0f} s")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
