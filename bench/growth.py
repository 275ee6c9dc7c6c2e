"""How the cost of an event grows, from a result of ``bench.scaling``: tables and charts."""

from typing import Any

from bench.charts import curves

__all__ = ["COLUMNS", "cells", "file_name", "growth_chart", "growth_page", "sweeps"]

Growth = dict[str, Any]
_KINDS = ("anonymize", "aggregate")
COLUMNS = ("events", "events/s", "anonymize us", "aggregate us", "changelog B/event", "MB", "figures")


def sweeps(growth: Growth) -> list[str]:
    """What grew, in order."""
    return [*dict.fromkeys(row["sweep"] for row in growth["rows"])]


def file_name(sweep: str) -> str:
    """Of a sweep's chart, without its suffix."""
    return "by-" + sweep.replace(" ", "-")


def growth_chart(growth: Growth, sweep: str) -> str:
    """CPU of an event in each stage, as SVG."""
    rows = _rows(growth, sweep)
    lines = {kind: [(row["value"], row["cpu"][kind]) for row in rows] for kind in _KINDS}
    return curves(f"cost of an event by {sweep}", "CPU us an event", lines)


def growth_page(growth: Growth) -> str:
    """A chart and a table for each sweep, in Markdown."""
    lines = [
        f"{growth['date']}, commit `{growth['commit']}`, {growth['machine']}, shared with the broker. One run a point.",
        "",
    ]
    for sweep in sweeps(growth):
        lines += [
            f"### By {sweep}",
            "",
            f"![cost of an event by {sweep}](performance/{file_name(sweep)}.svg)",
            "",
            f"| {' | '.join((sweep, *COLUMNS))} |",
            "|" + " ---: |" * (1 + len(COLUMNS)),
        ]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in _rows(growth, sweep)]
        lines.append("")
    return "\n".join(lines) + "\n"


def cells(row: Growth) -> list[str]:
    """Of a point: the value of what grows, then ``COLUMNS``."""
    return [
        f"{row['value']:,}",
        f"{row['workload']['events']:,}",
        f"{row['rate']:,.0f}",
        *(f"{row['cpu'][kind]:.2f}" for kind in _KINDS),
        f"{row['changelog']:,.1f}",
        f"{sum(row['rss'].values()) / 1e6:,.0f}",
        {0: f"{row['figures']:,} equal", -1: "not compared"}.get(row["differences"], f"{row['differences']:,} differ"),
    ]


def _rows(growth: Growth, sweep: str) -> list[Growth]:
    return [row for row in growth["rows"] if row["sweep"] == sweep]
