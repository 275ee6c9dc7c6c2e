"""The sink as a reader sees it: for each id the record of the highest revision, and a table by company."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from pipeline.kafka.reader import StoredRecord
from pipeline.printable import printable
from pipeline.unknown import known
from schemas.aggregates import decode_aggregate

__all__ = ["COLUMNS", "SinkView"]

COLUMNS: Mapping[str, tuple[str, str]] = {
    "chats": ("chats_created", "P1M"),
    "user messages": ("user_messages", "P1M"),
    "assistant messages": ("assistant_messages", "P1M"),
    "prompts": ("prompts", "P1M"),
    "DAU": ("dau", "P1D"),
    "WAU": ("wau", "P7D"),
    "MAU": ("mau", "P30D"),
}
"""Columns of the table: counts are summed over all windows of the size, active users are the latest day's."""


class SinkView:
    """Upserts by id; a record of a lower revision than the one held changes nothing."""

    def __init__(self, topic: str | None = None) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.read = 0
        self._topic = topic
        """Of the records, to refuse those of an unknown form; None where they are compared, which tells them."""

    def apply(self, stored: Iterable[StoredRecord]) -> None:
        """Take in records of the sink; deletions are passed over, and so is what is to be compared and has no id."""
        for record in stored:
            self.read += 1
            if not record.value:
                continue
            if self._topic is not None:
                known(decode_aggregate, record.value, self._topic, record.partition, record.offset)
            figure = _figure(record.value)
            if figure is None:
                continue
            held = self.records.get(figure["id"])
            if held is None or figure["revision"] >= held["revision"]:
                self.records[figure["id"]] = figure

    def by_company(self) -> dict[str, dict[str, int]]:
        """Company to column to value; active users of the last day that has a figure."""
        sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
        latest: dict[tuple[str, str], str] = {}
        wanted = {(metric, size): column for column, (metric, size) in COLUMNS.items()}
        for figure in self.records.values():
            column = wanted.get((figure["metric"], figure["window"]["size"]))
            if column is None:
                continue
            company = figure["company"]
            if figure["kind"] == "count":
                sums[company][column] += figure["value"]
            elif figure["window"]["end"] > latest.get((company, column), ""):
                latest[company, column] = figure["window"]["end"]
                sums[company][column] = figure["value"]
        return dict(sums)

    def table(self, rows: int = 30, title: str = "") -> Table:
        """The companies with most messages first, at most ``rows`` of them."""
        table = Table(title=title or None, caption=f"{len(self.records):,} figures from {self.read:,} records")
        table.add_column("company", no_wrap=True)
        for column in COLUMNS:
            table.add_column(column, justify="right")
        companies = self.by_company()
        order = sorted(companies, key=lambda name: (-companies[name]["user messages"], name))
        for name in order[:rows]:
            table.add_row(Text(printable(name)), *(f"{companies[name][column]:,}" for column in COLUMNS))
        if len(order) > rows:
            table.add_row(f"… {len(order) - rows} more", *("" for _ in COLUMNS))
        return table


def _figure(value: bytes) -> dict[str, Any] | None:
    """A record with an id and a revision, whatever else it holds."""
    try:
        found = json.loads(value)
    except ValueError:
        return None
    is_one = isinstance(found, dict) and isinstance(found.get("id"), str) and isinstance(found.get("revision"), int)
    return found if is_one else None
