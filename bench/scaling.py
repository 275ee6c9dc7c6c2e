"""``python -m bench.scaling``: what an event costs as workers, companies, users and open windows grow, one at a time.

Each point is a worker pair on a fresh topic, its sink compared with the oracle. The cost is CPU time of the workers, so
that what else the machine does matters little; changelog bytes are those of keys and values, before compression.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson
import typer
from rich.table import Table

from bench.broker import own_broker
from bench.changelog import payload_bytes
from bench.compare import stamp
from bench.growth import COLUMNS, cells
from bench.pair import PairResult, run_pair
from bench.workload import Workload
from pipeline.cli.show import bar, console

__all__ = ["SWEEPS", "Point", "main"]

_RESULTS: Final = Path(__file__).resolve().parents[1] / "docs" / "performance" / "scaling.jsonl"
_EVENTS_PER_USER: Final = 100
_LATE: Final = {"LATENESS": "PT1056H", "GRACE_HOUR": "PT1056H", "GRACE_DAY": "PT1056H"}
"""44 days: nothing closes and nothing is too late while a thousand hours are open."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run: a value of what grows, the workload, how many workers of each kind, and deciding settings."""

    value: int
    workload: Workload
    workers: int = 1
    deciding: Mapping[str, str] = field(default_factory=dict)


def _sweeps(base: Workload) -> dict[str, list[Point]]:
    return {
        "workers of each kind": [Point(count, base, count) for count in (1, 2, 4)],
        "companies": [Point(count, _with_companies(base, count)) for count in (10, 100, 1_000, 10_000, 100_000)],
        "users": [Point(count, replace(base, users=count)) for count in (1_000, 10_000, 100_000, 2_000_000)],
        "hours open": [
            Point(count, replace(base, companies=10, users=1_000, disorder=count), deciding=_LATE)
            for count in (1, 10, 100, 1_000)
        ],
    }


def _with_companies(base: Workload, count: int) -> Workload:
    """With a day of one user for each company at least."""
    events = max(base.events, count * _EVENTS_PER_USER)
    return replace(base, events=events, companies=count, users=events // _EVENTS_PER_USER)


SWEEPS: Final = tuple(_sweeps(Workload(0)))
_NAMES: Final = f"Of {', '.join(SWEEPS)}; all without."


def main(
    events: int = typer.Option(2_400_000, min=10_000, help="Of each run; more where companies ask for it."),
    only: list[str] = typer.Option([], help=_NAMES),
    compare: bool = typer.Option(True, help="Compare each sink with the oracle; without, the cost proves nothing."),
    write: bool = typer.Option(False, help="Append the result to docs/performance/scaling.jsonl."),
) -> None:
    """Measure how the cost of an event grows."""
    base = Workload(int(time.time() * 1000), events)
    sweeps = {name: points for name, points in _sweeps(base).items() if not only or name in only}
    rows = asyncio.run(_run(sweeps, compare=compare))
    console.print(_table(rows))
    if write:
        _RESULTS.parent.mkdir(parents=True, exist_ok=True)
        with _RESULTS.open("ab") as file:
            file.write(orjson.dumps({**stamp(), "rows": rows}) + b"\n")
    raise typer.Exit(int(any(row["differences"] > 0 for row in rows)))


async def _run(sweeps: Mapping[str, list[Point]], *, compare: bool) -> list[dict[str, Any]]:
    rows = []
    for name, points in sweeps.items():
        async with own_broker("scaling") as (brokers, folder):
            for point in points:
                with bar(f"{name}: {point.value:,}") as progress:
                    result = await run_pair(
                        *(brokers, folder, point.workload),
                        workers=point.workers,
                        deciding=point.deciding,
                        compare=compare,
                        progress=progress,
                    )
                rows.append(_row(name, point, result, await payload_bytes(brokers, result.prefix)))
    return rows


def _row(name: str, point: Point, result: PairResult, changelog: int) -> dict[str, Any]:
    return {
        "sweep": name,
        "value": point.value,
        "workload": asdict(point.workload),
        "workers": point.workers,
        "rate": result.rate,
        "cpu": {kind: result.cpu_per_million(kind) for kind in result.cpu},
        "rss": result.rss,
        "changelog": changelog / point.workload.events,
        "figures": result.figures,
        "differences": result.differences,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="what an event costs")
    for name in ("grows", "to", *COLUMNS):
        table.add_column(name, justify="left" if name == "grows" else "right")
    for row in rows:
        table.add_row(row["sweep"], *cells(row))
    return table


if __name__ == "__main__":
    typer.run(main)
