"""``python -m bench``: run the worker pair and the single steps, print one table."""

import asyncio
import time

import typer
from rich.table import Table

from bench.broker import own_broker
from bench.limits import Step, fetch_alone, steps_alone
from bench.pair import PairResult, run_pair
from bench.workload import Workload, load
from pipeline.broker.topics import apply
from pipeline.cli.show import bar, console
from pipeline.settings.settings import load_settings
from schemas.topics import topic_name


def main(
    events: int = typer.Option(1_000_000, min=10_000, help="Of each run."),
    runs: int = typer.Option(3, min=1, help="Of the pair; the median by rate is shown, with the spread."),
    batch: int = typer.Option(1, min=1, max=1000, help="Events in a record."),
    companies: int = typer.Option(100, min=1),
    users: int = typer.Option(10_000, min=1),
    compare: bool = typer.Option(True, help="Compare each sink with the oracle; without, the speed proves nothing."),
) -> None:
    """Measure one worker pair on the real broker, and what its steps cost alone."""
    workload = Workload(int(time.time() * 1000), events, companies, users, batch=batch)
    held = asyncio.run(_run(workload, runs, compare=compare))
    raise typer.Exit(0 if held else 1)


async def _run(workload: Workload, runs: int, *, compare: bool) -> bool:
    async with own_broker("bench") as (brokers, folder):
        pairs = []
        for number in range(runs):
            with bar(f"pair, run {number + 1} of {runs}") as report:
                pairs.append(await run_pair(brokers, folder, workload, compare=compare, progress=report))
        steps = [await _fetch(brokers, workload)]
    with bar("single steps"):
        steps += await asyncio.to_thread(steps_alone, workload)
    console.print(_table(pairs, steps))
    return not any(pair.differences > 0 for pair in pairs)


async def _fetch(brokers: str, workload: Workload) -> Step:
    settings = load_settings(brokers=brokers, topic_prefix="bench-fetch", partitions=workload.partitions)
    await apply(settings)
    topic = topic_name("bench-fetch", "raw")
    await load(brokers, topic, workload)
    return await fetch_alone(brokers, topic, workload)


def _table(pairs: list[PairResult], steps: list[Step]) -> Table:
    pairs = sorted(pairs, key=lambda pair: pair.rate)
    pair = pairs[len(pairs) // 2]
    table = Table(title=f"{pair.events:,} events, {len(pairs)} runs of the pair")
    for name in ("what", "events/s", "CPU s per million", "memory", "sink"):
        table.add_column(name, justify="left" if name in {"what", "sink"} else "right")
    spread = f"{pairs[0].rate:,.0f} to {pairs[-1].rate:,.0f}"
    sink = "not compared" if pair.differences < 0 else f"{pair.figures:,} figures equal to the oracle"
    wrong = max(each.differences for each in pairs)
    if wrong > 0:
        sink = f"[red]{wrong:,} figures differ[/red]"
    both = sum(pair.cpu_per_million(kind) for kind in pair.cpu)
    table.add_row("worker pair, median", f"{pair.rate:,.0f}", f"{both:.2f}", "", sink)
    table.add_row("  its spread", spread, "", "", "")
    for kind in pair.cpu:
        table.add_row(f"  {kind}", "", f"{pair.cpu_per_million(kind):.2f}", f"{pair.rss[kind] / 1e6:,.0f} MB", "")
    for step in steps:
        table.add_row(step.name, f"{1e6 / step.per_million:,.0f}", f"{step.per_million:.2f}", "", "")
    return table


if __name__ == "__main__":
    typer.run(main)
