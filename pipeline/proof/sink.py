"""The sink as a reader sees it: for each id the record of the highest revision, and a table by company."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from pipeline.kafka.reader import StoredRecord
from pipeline.printable import printable
from pipeline.unknown import known
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.metrics import Kind
from schemas.wire.aggregates import decode_aggregate

__all__ = ["COLUMNS", "Columns", "SinkView", "own_columns"]

Columns = Mapping[str, tuple[str, str]]
"""By heading a metric and a window size, whose figures are shown.

What adds up (counts, sums, readings of distributions) is added up over all windows, of anything else the latest window
is shown; both over all dimensions.
"""
COLUMNS: Final[Columns] = {
    "chats": ("chats_created", "P1M"),
    "user messages": ("user_messages", "P1M"),
    "assistant messages": ("assistant_messages", "P1M"),
    "prompts": ("prompts", "P1M"),
    "DAU": ("dau", "P1D"),
    "WAU": ("wau", "P7D"),
    "MAU": ("mau", "P30D"),
}
_ADD_UP: Final = frozenset({Kind.COUNT, Kind.SUM, Kind.DISTRIBUTION})


def own_columns(catalogue: Catalogue) -> Columns:
    """A column for each metric that is not built in, of its longest window."""
    own = [metric for name, metric in catalogue.metrics.items() if name not in BUILT_IN.metrics]
    return {metric.name.replace("_", " "): (metric.name, metric.windows[-1].value) for metric in own}


class SinkView:
    """Upserts by id; a record of a lower revision than the one held changes nothing."""

    def __init__(self, topic: str | None = None, columns: Columns = COLUMNS) -> None:
        self.columns = columns
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
        """Company to column to value."""
        sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(self.columns, 0))
        latest: dict[tuple[str, str], str] = {}
        wanted = {(metric, size): column for column, (metric, size) in self.columns.items()}
        for figure in self.records.values():
            column = wanted.get((figure["metric"], figure["window"]["size"]))
            if column is None:
                continue
            company, end = figure["company"], figure["window"]["end"]
            if figure["kind"] not in _ADD_UP and end > latest.get((company, column), ""):
                latest[company, column] = end
                sums[company][column] = 0
            if figure["kind"] in _ADD_UP or end == latest[company, column]:
                sums[company][column] += figure["value"]
        return dict(sums)

    def table(self, rows: int = 30, title: str = "") -> Table:
        """The companies with most in the second column first, or in the only one; at most ``rows`` of them."""
        columns = self.columns
        table = Table(title=title or None, caption=f"{len(self.records):,} figures from {self.read:,} records")
        table.add_column("company", no_wrap=True)
        for column in columns:
            table.add_column(column, justify="right")
        companies = self.by_company()
        by = [*columns][min(1, len(columns) - 1)] if columns else ""
        order = sorted(companies, key=lambda name: (-companies[name].get(by, 0), name))
        for name in order[:rows]:
            table.add_row(Text(printable(name)), *(f"{companies[name][column]:,}" for column in columns))
        if len(order) > rows:
            table.add_row(f"… {len(order) - rows} more", *("" for _ in columns))
        return table


def _figure(value: bytes) -> dict[str, Any] | None:
    """A record with an id and a revision, whatever else it holds."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(found, dict) and isinstance(found.get("id"), str) and isinstance(found.get("revision"), int)
    return found if is_one else None
