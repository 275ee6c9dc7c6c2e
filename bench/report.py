"""``python -m bench.report``: docs/performance.md and its charts, from what ``bench.compare`` and ``scaling`` kept.

Of each size of records the newest result is shown; nothing on the page is written by hand but its frame.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bench.charts import bars
from bench.growth import file_name, growth_chart, growth_page, sweeps
from bench.plan import plan

__all__ = ["LATER", "base_of", "chart", "kind_of", "later", "main", "page", "per_cpu_second"]

LATER = ("p50 / p95 / p99 s", "changelog B/event")
"""Columns of what was measured beside the speed; :func:`later` fills them."""

_FOLDER = Path(__file__).resolve().parents[1] / "docs" / "performance"
_PAGE = _FOLDER.with_suffix(".md")
_HEAD = (
    "system",
    "guarantee",
    "events",
    "events/s",
    "spread",
    "CPU s per million",
    "events per CPU s",
    "ratio",
    "MB",
    *LATER,
)
Result = dict[str, Any]


def main() -> None:
    """Write the page and one chart for each size of records."""
    results = newest([orjson.loads(line) for line in (_FOLDER / "results.jsonl").read_bytes().splitlines()])
    for result in results:
        (_FOLDER / f"{_name(result)}.svg").write_text(chart(result), "utf-8")
    growth = orjson.loads((_FOLDER / "scaling.jsonl").read_bytes().splitlines()[-1])
    for name in sweeps(growth):
        (_FOLDER / f"{file_name(name)}.svg").write_text(growth_chart(growth, name), "utf-8")
    frame = (_FOLDER / "template.md").read_text("utf-8")
    for place, text in {
        "results": page(results),
        "scaling": growth_page(growth),
        "plan": plan(results, growth),
    }.items():
        frame = frame.replace(f"{{{place}}}\n", text)
    _PAGE.write_text(frame, "utf-8")


def newest(results: Iterable[Result]) -> list[Result]:
    """The last result of each size of records, single records first."""
    last = {result["workload"]["batch"]: result for result in results}
    return [last[batch] for batch in sorted(last)]


def page(results: Iterable[Result]) -> str:
    """The tables, in Markdown."""
    return "\n".join(line for result in results for line in _section(result)) + "\n"


def _section(result: Result) -> list[str]:
    workload = result["workload"]
    lines = [
        f"## {kind_of(result).capitalize()}",
        "",
        f"{workload['events']:,} events, {workload['companies']:,} companies, {workload['users']:,} users,"
        f" {workload['partitions']} partitions; median of {result['runs']} interleaved runs. {result['date']},"
        f" commit `{result['commit']}`, {result['machine']}, shared with the broker.",
        "",
        f"![{kind_of(result)}: events for a CPU second]({_FOLDER.name}/{_name(result)}.svg)",
        "",
        "| " + " | ".join(_HEAD) + " |",
        "| --- | --- |" + " ---: |" * (len(_HEAD) - 2),
    ]
    lines += ["| " + " | ".join(cells) + " |" for cells in _rows(result)]
    lines += ["", "| step alone, in one process | CPU s per million | events per CPU s |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {cost:.2f} | {1e6 / cost:,.0f} |" for name, cost in result["limits"].items()]
    return [*lines, ""]


def _rows(result: Result) -> Iterable[list[str]]:
    base = base_of(result)
    for row in result["rows"]:
        if not row["rates"] or row["problem"]:
            yield [row["name"], row["guarantee"], "", row["problem"] or "not run", *[""] * 7]
            continue
        rates = row["rates"]
        yield [
            row["name"],
            row["guarantee"],
            f"{row['events']:,}",
            f"{median(rates):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{median(row['cpu']):.2f}",
            f"{per_cpu_second(row):,.0f}",
            f"{per_cpu_second(row) / base:.2f}" if base else "",
            f"{max(row['rss']) / 1e6:,.0f}",
            *later(row),
        ]


def later(row: Result) -> tuple[str, str]:
    """Latency from append to sink at half load, each the median of the runs, and changelog bytes; empty where not."""
    latency, changelog = row.get("latency") or (), row.get("changelog")
    shares = " / ".join(f"{median(run[place] for run in latency):.2f}" for place in range(3)) if latency else ""
    return shares, f"{changelog:,.1f}" if changelog else ""


def base_of(result: Result) -> float:
    """What ratios are to: events for a CPU second of Kafka Streams ``exactly_once_v2``, 0 where that has no speed."""
    return next((per_cpu_second(row) for row in result["rows"] if row["guarantee"] == "exactly_once_v2"), 0.0)


def per_cpu_second(row: Result) -> float:
    """Events for a CPU second of a row, the median; 0 where a run was wrong."""
    return 1e6 / median(row["cpu"]) if row["cpu"] and not row["problem"] else 0.0


def kind_of(result: Result) -> str:
    """How the events came."""
    batch = result["workload"]["batch"]
    return "single records" if batch == 1 else f"records of {batch} events"


def _name(result: Result) -> str:
    return f"batch-{result['workload']['batch']}"


def chart(result: Result) -> str:
    """Bars of events for a CPU second, as SVG; a system without a speed has none."""
    return bars(
        f"events for a CPU second, {kind_of(result)}",
        [
            (f"{row['name']}, {row['guarantee']}", per_cpu_second(row), row["name"] == "Footfall")
            for row in result["rows"]
            if per_cpu_second(row)
        ],
    )


if __name__ == "__main__":
    main()
