"""``python -m bench.recovery``: how long the partitions of a killed worker stand still, with and without standbys.

A worker that holds ``--users`` active users is killed (``kill -9``) under load; the other of its kind takes over.
"""

import asyncio
import datetime as dt
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psutil
import typer
from rich.table import Table

from bench.broker import own_broker
from bench.population import Population
from bench.workload import append_all
from pipeline.broker.topics import apply
from pipeline.cli.show import bar, console
from pipeline.kafka.reader import LogReader
from pipeline.processes import WorkerProcess, metric_total, new_keys, start_worker
from pipeline.settings.settings import Settings, load_settings
from schemas.topics import topic_name

_KINDS = ("anonymize", "aggregate")
_PATIENCE = 600.0
_STAGES = ("reading", "joining", "taking_up", "mending")


@dataclass(slots=True)
class Takeover:
    """Seconds from the kill until each step was done; ``stages`` are sums over the partitions taken over."""

    kind: str
    standby: int
    revoked: float = 0.0
    assigned: float = 0.0
    recovered: float = 0.0
    folded: float = 0.0
    """Until the last of the partitions had written a state batch again."""
    stages: dict[str, float] = field(default_factory=dict)
    ways: set[str] = field(default_factory=set)
    read: int = 0
    keys: int = 0
    rss: int = 0


@dataclass(slots=True)
class _Field:
    """Topics on a broker with a population in them, and the workers that run over them."""

    settings: Settings
    folder: Path
    population: Population
    session: int
    keys: dict[str, str] = field(default_factory=new_keys)
    started: int = 0
    fed: int = 0

    def start(self, kind: str, standby: int) -> WorkerProcess:
        given = {
            "BROKERS": self.settings.brokers or "",
            "TOPIC_PREFIX": self.settings.topic_prefix,
            "PARTITIONS": str(self.settings.partitions),
            "SESSION_TIMEOUT": str(self.session),
            "STANDBY": str(standby),
        }
        if kind == "anonymize":
            given |= self.keys
        self.started += 1
        return start_worker(kind, given, self.folder, f"{kind}-{self.started}")

    async def fill(self) -> None:
        """Every user once, through both workers."""
        topic = topic_name(self.settings.topic_prefix, "raw")
        await append_all(self.settings.brokers or "", topic, self.population.partitions, self.population.arrivals())
        workers = [self.start(kind, 0) for kind in _KINDS]
        try:
            await _until(lambda: _at_least(workers[1], "footfall_counted_total", self.population.users))
        finally:
            for worker in workers:
                await worker.stop()

    async def feed(self, per_second: int, enough: asyncio.Event) -> None:
        """People come again, until it is ``enough``."""
        visits = self.population.visits(self.fed, 20)
        topic, parts = topic_name(self.settings.topic_prefix, "raw"), self.population.partitions
        while not enough.is_set():
            self.fed += 1
            due = time.monotonic() + 20 * parts / per_second
            await append_all(self.settings.brokers or "", topic, parts, itertools.islice(visits, parts))
            await asyncio.sleep(max(0.0, due - time.monotonic()))


def main(
    users: int = typer.Option(1_000_000, min=1000, help="Active users in the tables of the worker that is killed."),
    sources: int = typer.Option(100_000, min=1000, help="App instances of these users."),
    runs: int = typer.Option(2, min=1, help="Kills of each case."),
    load: int = typer.Option(2000, min=100, help="Events a second meanwhile."),
    session: int = typer.Option(10, min=3, help="FOOTFALL_SESSION_TIMEOUT of the workers, seconds."),
    kind: list[str] = typer.Option(list(_KINDS), help="Which workers are killed."),
) -> None:
    """Kill workers that hold many users, and measure until the others fold on."""
    asyncio.run(_run(Population(int(time.time() * 1000), 2 * users, 2 * sources), kind, runs, load, session))


async def _run(population: Population, kinds: list[str], runs: int, load: int, session: int) -> None:
    async with own_broker("recovery") as (brokers, folder):
        settings = load_settings(brokers=brokers, topic_prefix="recovery", partitions=population.partitions)
        await apply(settings)
        field_of = _Field(settings, folder, population, session)
        with bar("filling"):
            await field_of.fill()
        found: list[Takeover] = []
        for kind in kinds:
            for standby in (1, 0):
                found += await _kills(field_of, kind, standby, runs, load)
        console.print(_table(found, population))


async def _kills(field_of: _Field, kind: str, standby: int, runs: int, load: int) -> list[Takeover]:
    """Two workers of a kind, and one after the other is killed and started again."""
    found: list[Takeover] = []
    half = field_of.population.partitions // 2
    first = field_of.start(kind, standby)
    others = [] if kind == "anonymize" else [field_of.start("anonymize", 0)]
    try:
        await first.ready(_PATIENCE)
        for _ in range(runs):
            second = field_of.start(kind, standby)
            try:
                await _until(lambda second=second: _holds(second, half, warm=standby > 0))
                enough = asyncio.Event()
                feeding = asyncio.create_task(field_of.feed(load, enough))
                try:
                    found.append(await _kill(field_of, first, second, standby))
                finally:
                    enough.set()
                    await feeding
            finally:
                first.process.kill()
                first.process.wait()
                first = second
        return found
    finally:
        for worker in [first, *others]:
            await worker.stop()


async def _kill(field_of: _Field, victim: WorkerProcess, successor: WorkerProcess, standby: int) -> Takeover:
    topic = topic_name(field_of.settings.topic_prefix, f"{victim.kind}-state")
    await asyncio.sleep(3)  # under load
    async with LogReader(field_of.settings.brokers or "") as reader:
        owned = _last(victim, "assigned")["partitions"]
        killed = time.time()
        victim.process.kill()
        victim.process.wait()
        ends = {partition: await reader.end(topic, partition) for partition in owned}
        folded: dict[int, float] = {}
        until = time.monotonic() + _PATIENCE
        while len(folded) < len(owned):
            if time.monotonic() > until or successor.process.poll() is not None:
                raise RuntimeError(f"nobody took over; read {successor.log}")
            for partition in set(owned) - set(folded):
                if await reader.end(topic, partition) > ends[partition]:
                    folded[partition] = time.time() - killed
            await asyncio.sleep(0.02)
    said = [line for line in _lines(successor) if _when(line) > killed]
    recovered = [line for line in said if line["event"] == "recovered" and line["partition"] in owned]
    result = Takeover(victim.kind, standby, folded=max(folded.values()))
    result.revoked = next(_when(line) for line in said if line["event"] == "revoked") - killed
    result.assigned = next(_when(line) for line in said if line["event"] == "assigned") - killed
    result.recovered = max(map(_when, recovered)) - killed
    result.stages = {stage: sum(line[stage] for line in recovered) for stage in _STAGES}
    result.ways = {line["way"] for line in recovered}
    result.read = sum(line["read"] for line in recovered)
    result.keys = sum(line["keys"] for line in recovered)
    result.rss = psutil.Process(successor.process.pid).memory_info().rss
    return result


def _lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    lines = worker.log.read_text(errors="replace").splitlines()
    return [orjson.loads(line) for line in lines if line.startswith('{"')]


def _last(worker: WorkerProcess, event: str) -> dict[str, Any]:
    return [line for line in _lines(worker) if line["event"] == event][-1]


def _when(line: dict[str, Any]) -> float:
    return dt.datetime.fromisoformat(line["timestamp"]).timestamp()


async def _until(condition: Any) -> None:
    until = time.monotonic() + _PATIENCE
    while not await condition():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {_PATIENCE:.0f} s")
        await asyncio.sleep(0.2)


async def _at_least(worker: WorkerProcess, name: str, least: float) -> bool:
    if worker.process.poll() is not None:
        raise RuntimeError(f"worker {worker.kind} ended; read {worker.log}")
    status, page = await asyncio.to_thread(worker.get, "/metrics")
    return status == 200 and (metric_total(page, name) or 0) >= least


async def _holds(worker: WorkerProcess, partitions: int, *, warm: bool) -> bool:
    """Whether it is ready with so many partitions, and its standbys are near the end."""
    if not await _at_least(worker, "footfall_recoveries_total", partitions):
        return False
    ready, _ = await asyncio.to_thread(worker.get, "/readyz")
    _, page = await asyncio.to_thread(worker.get, "/metrics")
    behind = metric_total(page, "footfall_standby_lag")
    return ready == 200 and (not warm or (behind is not None and behind < 100))


def _table(found: list[Takeover], population: Population) -> Table:
    table = Table(
        title=f"kill -9 of a worker with {population.users // 2:,} of {population.users:,} users; s after the kill"
    )
    for name in ("worker", "standby", "noticed", "assigned", "recovered", "folds again", "of that, summed"):
        table.add_column(name, justify="right" if name not in {"worker", "of that, summed"} else "left")
    for name in ("records read", "keys", "successor MB"):
        table.add_column(name, justify="right")
    for each in found:
        stages = " ".join(f"{name.replace('_', ' ')} {seconds:.2f}" for name, seconds in each.stages.items())
        steps = (each.revoked, each.assigned, each.recovered, each.folded)
        times = [f"{seconds:.1f}" for seconds in steps]
        ways = "+".join(sorted(each.ways))
        table.add_row(each.kind, ways, *times, stages, f"{each.read:,}", f"{each.keys:,}", f"{each.rss / 1e6:,.0f}")
    return table


if __name__ == "__main__":
    typer.run(main)
