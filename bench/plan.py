"""The paper plan: what a cluster for ten million events a second would take, from what one machine measured.

Nothing here was run. What is measured comes from the results, what is assumed is told as such in the table.
"""

from math import ceil
from statistics import median
from typing import Any, Final

__all__ = ["plan"]

_TARGET: Final = 10_000_000
_LOAD: Final = 0.5
"""Of a core that a worker is planned to use, so that one can fail and a backlog be worked off at twice the speed."""
_RECORD: Final = 300
"""Bytes of a single record with its key and framing, uncompressed: the workload's."""
_PACKED: Final = 4
"""By how much producers' zstd packs such records in batches; assumed."""
_COPIES: Final = 3
_BROKER: Final = 200e6
"""Bytes a second that a broker writes, copies included; assumed, well below what one disk or a 10 Gbit/s link takes."""
_USERS: Final = 100_000_000
_USER: Final = 146
"""Bytes of an active user in memory, by ``bench.state``."""


def plan(results: list[dict[str, Any]], growth: dict[str, Any]) -> str:
    """A table in Markdown; of single records, the costs of the growth's point with 1,000 companies."""
    lines = _lines(results, growth)
    table = ["| what | | how |", "| --- | ---: | --- |", *(f"| {what} | {much} | {how} |" for what, much, how in lines)]
    return "\n".join(table) + "\n"


def _lines(results: list[dict[str, Any]], growth: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What there is, how much of it, and how that is worked out."""
    row = next(row for row in growth["rows"] if row["sweep"] == "companies" and row["value"] == 1_000)
    pair = next(row for row in results[0]["rows"] if row["name"] == "Footfall")
    first, second = row["cpu"]["anonymize"], row["cpu"]["aggregate"]
    written = _TARGET * (_RECORD / _PACKED + row["changelog"])
    workers = {kind: ceil(_TARGET * cost / 1e6 / _LOAD) for kind, cost in (("anonymize", first), ("aggregate", second))}
    return [
        ("cost of an event, measured, 1,000 companies", f"{first:.2f} + {second:.2f} us", "scaling above"),
        ("the same, 100 companies, beside the peers", f"{median(pair['cpu']):.2f} us", "first table"),
        *(
            (f"`{kind}` workers", f"{count}", f"{_TARGET:,} x {cost:.2f} us / {_LOAD:.0%} of a core")
            for (kind, count), cost in zip(workers.items(), (first, second), strict=True)
        ),
        (
            "partitions",
            f"{4 * max(workers.values())}",
            "four a worker of the larger stage, to spread evenly when one dies",
        ),
        (
            "raw in",
            f"{_TARGET * _RECORD / _PACKED / 1e6:,.0f} MB/s",
            f"{_RECORD} B / {_PACKED} by producers' zstd (assumed)",
        ),
        (
            "changelogs in",
            f"{_TARGET * row['changelog'] / 1e6:,.0f} MB/s",
            f"{row['changelog']:.0f} B an event, before zstd",
        ),
        (
            "brokers",
            f"{ceil(written * _COPIES / _BROKER)}",
            f"{written / 1e6:,.0f} MB/s x {_COPIES} copies / {_BROKER / 1e6:.0f} MB/s a broker (assumed)",
        ),
        (
            "memory for users",
            f"{_USERS * _USER / workers['aggregate'] / 1e9:.1f} GB a worker",
            f"{_USERS:,} active users x {_USER} B / {workers['aggregate']} `aggregate` workers",
        ),
    ]
