"""``python -m bench.compare``: Footfall and its peers over the same topic, one after the other, as one table.

Every system does the same work on the same bytes and is checked against the expected totals before its times count. The
runs are interleaved, so that what else the machine does falls on all alike; medians are shown, with the spread.
"""

import asyncio
import datetime as dt
import os
import platform
import secrets
import subprocess
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import typer
from rich.table import Table

from bench.broker import own_broker
from bench.changelog import payload_bytes
from bench.footfall_peer import FOOTFALL, figure_of
from bench.latency import Latency, measure_latency
from bench.limits import fetch_alone, steps_alone
from bench.peers.catalogue import PEERS, Peer
from bench.peers.expected import expected_figures
from bench.peers.running import PeerResult, run_peer
from bench.report import LATER, base_of, kind_of, later, per_cpu_second
from bench.workload import Workload, load, records
from pipeline.broker.topics import apply
from pipeline.cli.show import bar, console
from pipeline.settings.settings import load_settings
from schemas.topics import topic_name

__all__ = ["Row", "main", "stamp"]

_SLOW = ("stock Faust",)
"""They take a share of the events of the others, in a topic of their own."""
_SLOW_SHARE = 40
_LOAD_SECONDS = 10
"""Of the steady load, at half of the system's rate, under which latency is measured."""
_MOST_LOAD = 5_000_000
_RESULTS = Path(__file__).resolve().parents[1] / "docs" / "performance" / "results.jsonl"


@dataclass(slots=True)
class Row:
    """One system's runs; rates in events a second, CPU in seconds for a million events, memory in bytes.

    ``latency`` holds p50, p95 and p99 of each run, in seconds; ``changelog`` bytes an event, None where there is none.
    """

    name: str
    guarantee: str
    events: int
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    latency: list[tuple[float, float, float]] = field(default_factory=list)
    changelog: float | None = None
    problem: str = ""

    def add(self, result: PeerResult) -> None:
        """One run more; where it was wrong the row has no speed."""
        if result.rate is None or result.cpu_per_million is None:
            self.problem = result.problem or f"{len(result.differences)} figures differ"
            return
        self.rates.append(result.rate)
        self.cpu.append(result.cpu_per_million)
        self.rss.append(result.peak_rss)

    def add_latency(self, found: Latency) -> None:
        """As ``add``, of the run under half load."""
        if found.problem:
            self.problem = f"at half load: {found.problem}"
        else:
            self.latency.append((found.p50, found.p95, found.p99))


def main(
    events: int = typer.Option(2_400_000, min=10_000, help="Of each run."),
    runs: int = typer.Option(3, min=1, help="Of each system, interleaved."),
    batch: int = typer.Option(1, min=1, max=1000, help="Events in a record."),
    companies: int = typer.Option(100, min=1),
    users: int = typer.Option(10_000, min=1),
    only: list[str] = typer.Option([], help="Names of peers; all without."),
    latency: bool = typer.Option(True, help="Measure latency too, at half load, after each run."),
    write: bool = typer.Option(False, help="Append the result to docs/performance/results.jsonl."),
) -> None:
    """Measure Footfall beside what a user would pick instead."""
    workload = Workload(int(time.time() * 1000), events, companies, users, batch=batch)
    peers = [peer for peer in PEERS if not only or peer.name in only]
    rows, limits = asyncio.run(_run(workload, runs, peers, latency=latency))
    result = _result(rows, limits, workload, runs)
    console.print(_table(result))
    if write:
        _RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with _RESULTS.open("ab") as file:
            file.write(orjson.dumps(result) + b"\n")
    raise typer.Exit(1 if rows[0].problem else 0)


async def _run(
    workload: Workload, runs: int, peers: list[Peer], *, latency: bool
) -> tuple[list[Row], dict[str, float]]:
    rows = [Row(peer.name, peer.guarantee, 0) for peer in (FOOTFALL, *peers)]
    for peer, row in zip(peers, rows[1:], strict=True):
        with bar(f"preparing {peer.name}"):
            why: str | None = await asyncio.to_thread(peer.prepare)
            row.problem = why or ""
    short = replace(workload, events=workload.events // _SLOW_SHARE // workload.batch * workload.batch)
    async with own_broker("compare") as (brokers, folder):
        with bar("expected totals"):
            expected = [await asyncio.to_thread(expected_figures, records(part)) for part in (workload, short)]
        await _load(brokers, "peers", workload)
        await _load(brokers, "slow", short)
        for number in range(1, runs + 1):
            for peer, row in zip((FOOTFALL, *peers), rows, strict=True):
                if row.problem:
                    continue
                slow, prefix, own = peer.name in _SLOW, "peers", None
                if peer is FOOTFALL:  # its state is by prefix, so each run has a raw topic of its own
                    prefix = f"footfall-{number}"
                    await _load(brokers, prefix, workload)
                    own = topic_name(prefix, "aggregates"), figure_of
                raw = topic_name("slow" if slow else prefix, "raw")
                row.events = short.events if slow else workload.events
                with bar(f"run {number} of {runs}: {peer.name}, {peer.guarantee}"):
                    result = await run_peer(
                        peer, brokers, raw, folder, expected[slow], partitions=workload.partitions, own_sink=own
                    )
                row.add(result)
                if result.rate is not None and row.changelog is None:
                    row.changelog = await payload_bytes(brokers, prefix if own else result.app) / row.events
                if latency and not row.problem:
                    with bar(f"run {number} of {runs}: {peer.name}, {peer.guarantee}, at half load"):
                        row.add_latency(await _latency(peer, brokers, folder, workload, row.rates[-1] / 2))
                console.print(_told(row, result))
        fetch = await fetch_alone(brokers, topic_name("peers", "raw"), workload)
    with bar("single steps"):
        steps = await asyncio.to_thread(steps_alone, workload)
    return rows, {step.name: step.per_million for step in (fetch, *steps)}


async def _latency(peer: Peer, brokers: str, folder: Path, workload: Workload, rate: float) -> Latency:
    events = min(int(rate * _LOAD_SECONDS), _MOST_LOAD) // workload.batch * workload.batch
    made = await asyncio.to_thread(lambda: [*records(replace(workload, events=events))])
    prefix = f"latency-{secrets.token_hex(4)}"
    await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=workload.partitions))
    raw, own = topic_name(prefix, "raw"), (topic_name(prefix, "aggregates"), figure_of)
    return await measure_latency(
        peer,
        *(brokers, raw, folder, made, rate),
        partitions=workload.partitions,
        batch=workload.batch,
        own_sink=own if peer is FOOTFALL else None,
    )


async def _load(brokers: str, prefix: str, workload: Workload) -> None:
    with bar(f"loading {workload.events:,} events"):
        await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=workload.partitions))
        await load(brokers, topic_name(prefix, "raw"), workload)


def _told(row: Row, result: PeerResult) -> str:
    if result.rate is None or row.problem:
        return f"{row.name}, {row.guarantee}: [red]{row.problem}[/red]"
    return (
        f"{row.name}, {row.guarantee}: {result.rate:,.0f} events/s, {result.cpu_per_million:.2f} CPU s per million,"
        f" {result.figures:,} figures as expected" + (f"; p99 {row.latency[-1][2]:.2f} s" if row.latency else "")
    )


def _table(result: dict[str, Any]) -> Table:
    workload, base = result["workload"], base_of(result)
    table = Table(title=f"{workload['events']:,} events in {kind_of(result)}, {workload['companies']:,} companies")
    for name in ("system", "events/s", "CPU us", "ratio", "MB", *LATER):
        table.add_column(name, justify="left" if name == "system" else "right")
    for row in result["rows"]:
        speed, name = per_cpu_second(row), f"{row['name']}\n[dim]{row['guarantee']}[/dim]"
        if not speed:
            table.add_row(name, row["problem"] or "not run")
            continue
        table.add_row(
            name,
            f"{median(row['rates']):,.0f}",
            f"{median(row['cpu']):.2f}",
            f"{speed / base:.2f}" if base else "",
            f"{max(row['rss']) / 1e6:,.0f}",
            *later(row),
        )
    for name, per_million in result["limits"].items():
        table.add_row(f"[dim]{name}[/dim]", "", f"{per_million:.2f}")
    return table


def _result(rows: list[Row], limits: dict[str, float], workload: Workload, runs: int) -> dict[str, Any]:
    return {
        **stamp(),
        "workload": asdict(workload),
        "runs": runs,
        "rows": [asdict(row) for row in rows],
        "limits": limits,
    }


def stamp() -> dict[str, str]:
    """When, on what machine and at which commit a result came about."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="minutes"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "commit": subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip(),
    }


if __name__ == "__main__":
    typer.run(main)
