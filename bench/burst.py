"""``python -m bench.burst``: ten times the sustainable rate for a while; what becomes of memory, and of the events.

One process cannot publish ten times what both workers take, so these are slowed: stopped for most of every fifth of a
second. What they take then is measured first; the burst is ten times that, and they are at full speed again after it.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import typer
from rich.table import Table

from bench.broker import own_broker
from bench.workload import Record, Workload, append_all, records
from pipeline.broker.topics import apply
from pipeline.cli.show import bar, console
from pipeline.kafka.reader import Progress
from pipeline.processes import WorkerProcess, metric_total, new_keys, start_worker
from pipeline.proof.judgement import judge
from pipeline.settings.settings import Settings, load_settings
from schemas.topics import topic_name

_KINDS = ("anonymize", "aggregate")
_PATIENCE = 1800.0
_SETTLE = 600.0
_STEP_SECONDS = 0.25
_PERIOD_SECONDS = 0.2
_PROBE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What was seen ``seconds`` after the burst began; resident sets in bytes by kind of worker."""

    seconds: float
    published: int
    counted: int
    rss: dict[str, int]


@dataclass(slots=True)
class Burst:
    """A burst at ``rate`` events a second, and what was seen of the workers meanwhile and until they had caught up."""

    rate: float
    began: float = field(default_factory=time.perf_counter)
    before: int = 0
    """Events counted before it."""
    published: int = 0
    ended: float = 0.0
    moments: list[Moment] = field(default_factory=list)


def main(
    seconds: int = typer.Option(60, min=5, help="How long the burst lasts."),
    times: float = typer.Option(10.0, min=1.0, help="Of the sustainable rate."),
    share: float = typer.Option(0.08, min=0.02, max=1.0, help="Of the time that the workers run."),
    batch: int = typer.Option(1, min=1, help="Events in a record."),
) -> None:
    """Publish far more than the workers can take, and see that nothing is lost and memory stays bounded."""
    raise typer.Exit(0 if asyncio.run(_run(seconds, times, share, batch)) else 1)


async def _run(seconds: int, times: float, share: float, batch: int) -> bool:
    async with own_broker("burst") as (brokers, folder):
        settings = load_settings(brokers=brokers, topic_prefix="burst", partitions=8)
        await apply(settings)
        workload = Workload(int(time.time() * 1000), 100_000_000, batch=batch, partitions=8)
        workers = _workers(settings, folder)
        try:
            await asyncio.gather(*(worker.ready() for worker in workers.values()))
            burst = await _burst(settings, workers, workload, (seconds, times, share))
            console.print(_table(burst, burst.rate / times))
            with bar("oracle"):
                judgement = await judge(settings, wait=_SETTLE)
        finally:
            for worker in workers.values():
                await worker.stop()
        for difference in judgement.differences[:5]:
            console.print(str(difference))
        figures = len(judgement.expected.figures)
        console.print(f"sink against oracle: {figures:,} figures, {len(judgement.differences)} differences")
        return judgement.equal


async def _burst(
    settings: Settings, workers: dict[str, WorkerProcess], workload: Workload, wanted: tuple[int, float, float]
) -> Burst:
    seconds, times, share = wanted
    made = records(workload)
    probe = Burst(rate=1e6)
    with bar("sustainable rate") as report:
        async with _slowed(workers, share):
            await _publish(settings, workload, made, probe, 200_000 // workload.batch * workload.batch)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await _watch(workers, probe, probe.published, report)
        moments = [moment for moment in probe.moments if moment.counted]
        taken, began = moments[-1].counted - moments[0].counted, moments[0].seconds
        await _watch(workers, probe, probe.published, report)
    burst = Burst(times * taken / (moments[-1].seconds - began), before=probe.published)
    with bar("burst") as report:
        async with _slowed(workers, share):
            events = int(burst.rate * seconds) // workload.batch * workload.batch
            watching = asyncio.create_task(_watch(workers, burst, probe.published + events, report))
            await _publish(settings, workload, made, burst, events)
        await watching
    return burst


@contextlib.asynccontextmanager
async def _slowed(workers: dict[str, WorkerProcess], share: float) -> AsyncIterator[None]:
    """Have the workers run for a share of the time alone."""

    async def slow() -> None:
        while True:
            for number, wait in ((signal.SIGSTOP, 1 - share), (signal.SIGCONT, share)):
                for worker in workers.values():
                    worker.process.send_signal(number)
                await asyncio.sleep(_PERIOD_SECONDS * wait)

    task = asyncio.create_task(slow())
    try:
        yield
    finally:
        task.cancel()
        for worker in workers.values():
            worker.process.send_signal(signal.SIGCONT)


def _workers(settings: Settings, folder: Path) -> dict[str, WorkerProcess]:
    given = {
        "BROKERS": settings.brokers or "",
        "TOPIC_PREFIX": settings.topic_prefix,
        "PARTITIONS": str(settings.partitions),
        "SESSION_TIMEOUT": "60",  # they are slowed so much that their heartbeats are late
    }
    keys = new_keys()
    return {kind: start_worker(kind, given | (keys if kind == "anonymize" else {}), folder) for kind in _KINDS}


async def _publish(settings: Settings, workload: Workload, made: Iterator[Record], burst: Burst, events: int) -> None:
    """In steps, each due when the rate says; where the broker or this process is slower, as fast as they are."""
    topic = topic_name(settings.topic_prefix, "raw")
    size = max(1, int(burst.rate * _STEP_SECONDS) // workload.batch)
    burst.began = time.perf_counter()
    left = events // workload.batch
    while left:
        step = [next(made) for _ in range(min(size, left, 10_000))]
        await append_all(settings.brokers or "", topic, workload.partitions, step)
        left -= len(step)
        burst.published += len(step) * workload.batch
        await asyncio.sleep(max(0.0, burst.began + burst.published / burst.rate - time.perf_counter()))
    burst.ended = time.perf_counter()


async def _watch(workers: dict[str, WorkerProcess], burst: Burst, events: int, report: Progress) -> None:
    """Look every second until so many events are counted."""
    seen = {kind: psutil.Process(worker.process.pid) for kind, worker in workers.items()}
    until = time.perf_counter() + _PATIENCE
    counted = 0
    while counted < events:
        for worker in workers.values():
            if worker.process.poll() is not None:
                raise RuntimeError(f"worker {worker.kind} ended: {worker.log.read_text().splitlines()[-1]}")
        if time.perf_counter() > until:
            raise RuntimeError(f"not every event was counted within {_PATIENCE:.0f} s")
        _, page = await asyncio.to_thread(workers["aggregate"].get, "/metrics")
        counted = int(metric_total(page, "footfall_counted_total") or counted)
        rss = {kind: process.memory_info().rss for kind, process in seen.items()}
        mine = max(0, counted - burst.before)
        burst.moments.append(Moment(time.perf_counter() - burst.began, burst.published, mine, rss))
        report(min(counted, events), events)
        await asyncio.sleep(1)


def _table(burst: Burst, sustainable: float) -> Table:
    reached = burst.published / (burst.ended - burst.began)
    table = Table(
        title=f"sustainable {sustainable:,.0f} events/s; {burst.published:,} published at {reached:,.0f}/s"
        f" for {burst.ended - burst.began:.0f} s"
    )
    for name in ("s", "published", "counted", "behind", *(f"{kind} MB" for kind in _KINDS)):
        table.add_column(name, justify="right")
    every = max(1, len(burst.moments) // 20)
    last = burst.moments[-1]
    for moment in [*burst.moments[:-1:every], last]:
        figures = (moment.published, moment.counted, moment.published - moment.counted)
        sizes = [f"{moment.rss[kind] / 1e6:,.0f}" for kind in _KINDS]
        table.add_row(f"{moment.seconds:.0f}", *(f"{figure:,}" for figure in figures), *sizes)
    return table


if __name__ == "__main__":
    typer.run(main)
