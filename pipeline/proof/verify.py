"""Compares the sink with the oracle: which figures are missing, surplus or wrong, and in what."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from pipeline.kafka.reader import StoredRecord
from pipeline.printable import printable

__all__ = ["Difference", "DifferenceKind", "compare", "last_is_highest", "render", "wrong_pages"]

_COMPARED = ("value", "status", "revision", "id", "company", "metric", "kind", "unit", "dimensions", "window")


class DifferenceKind(StrEnum):
    """How the sink differs from what is expected."""

    MISSING = "missing"
    SURPLUS = "surplus"
    WRONG = "wrong"


class Difference(NamedTuple):
    """One difference of the figure ``id``; of a missing or surplus one ``field`` is ``value``."""

    id: str
    kind: DifferenceKind
    field: str
    expected: object
    found: object


def compare(
    sink: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Mapping[str, Any]], *, sink_watermarks: bool = False
) -> list[Difference]:
    """Every difference, by id; empty where the sink is right.

    Both map an id to its aggregate record. ``watermark`` says when a figure was emitted, so it is never compared
    for being the same; with ``sink_watermarks`` it must be there and not lie after the expected one, which is
    that of the whole log (leave it out where the sink may have read more of the log than the oracle).
    """
    differences = []
    for identity in sorted({*sink, *expected}):
        found, wanted = sink.get(identity), expected.get(identity)
        if found is None:
            value = wanted["value"] if wanted else None
            differences.append(Difference(identity, DifferenceKind.MISSING, "value", value, None))
        elif wanted is None:
            differences.append(Difference(identity, DifferenceKind.SURPLUS, "value", None, found.get("value")))
        else:
            differences += _fields(identity, found, wanted, sink_watermarks)
    return differences


def _fields(
    identity: str, found: Mapping[str, Any], wanted: Mapping[str, Any], sink_watermarks: bool
) -> list[Difference]:
    wrong = [name for name in _COMPARED if not _is_same(found.get(name), wanted[name])]
    wrong += sorted(set(found) - set(wanted))
    if sink_watermarks:
        watermark = found.get("watermark")
        if not isinstance(watermark, str) or watermark > wanted["watermark"]:
            wrong.append("watermark")
    return [
        Difference(identity, DifferenceKind.WRONG, name, wanted.get(name), found.get(name))
        for name in dict.fromkeys(wrong)
    ]


def _is_same(found: object, wanted: object) -> bool:
    # As text, so that 1, 1.0 and true are told apart.
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def last_is_highest(records: Iterable[StoredRecord]) -> list[str]:
    """The ids whose last record in the sink does not carry their highest revision, sorted.

    ``records`` are the sink's, of each partition in order of offset. A record that is no aggregate with an integer
    ``revision``, or a deletion, is a last record without any revision. The id is the record's key.
    """
    highest: dict[str, int] = {}
    last: dict[str, int] = {}
    for record in records:
        identity = (record.key or b"").decode(errors="replace")
        last[identity] = _revision(record.value)
        highest[identity] = max(highest.get(identity, 0), last[identity])
    return sorted(identity for identity, revision in last.items() if revision < highest[identity])


def _revision(value: bytes | None) -> int:
    try:
        figure = json.loads(value or b"")
    except (ValueError, RecursionError):
        return -1
    revision = figure.get("revision") if isinstance(figure, dict) else None
    return revision if isinstance(revision, int) and not isinstance(revision, bool) else -1


def wrong_pages(ledger: Iterable[StoredRecord], expected: Mapping[bytes, bytes]) -> list[str]:
    """The keys of entries that are missing, surplus, or that any record of the ledger tells otherwise, sorted."""
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for record in ledger:
        found[record.key or b""].add(record.value or b"")
    wrong = [key for key in found.keys() | expected.keys() if key not in expected or found.get(key) != {expected[key]}]
    return sorted(key.decode(errors="replace") for key in wrong)


def render(differences: Iterable[Difference], limit: int = 20) -> Table:
    """A table of the first ``limit`` differences, with how many there are of each kind."""
    found = list(differences)
    kinds = Counter(difference.kind for difference in found)
    summary = ", ".join(f"{kinds[kind]:,} {kind}" for kind in DifferenceKind if kinds[kind])
    table = Table(title=f"{len(found):,} differences: {summary}" if found else "no difference")
    for column in ("", "figure", "field", "expected", "found"):
        table.add_column(column, overflow="fold")
    for difference in found[:limit]:
        identity, kind, field, expected, given = difference
        cells = (kind.value, identity, field, _shown(expected), _shown(given))
        # As Text: an id is data and never markup.
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if len(found) > limit:
        table.add_row("…", f"{len(found) - limit:,} more")
    return table


def _shown(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
