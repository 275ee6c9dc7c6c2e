"""Honest books, corrections and sink records by hand, to be spoilt by the tests of the audit."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from pipeline.proof.audit.books import ClosedHour, PartitionBooks
from pipeline.proof.audit.findings import Finding
from pipeline.proof.audit.verdict import Partition, Tail
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.corrections import encode_correction
from schemas.wire.ledger import HourLog, LedgerEntry, PreviousHour, encode_entry, hash_hour, ledger_key

Row = tuple[bytes | None, bytes | None]
Counts = tuple[int, int, int]
"""Counted, duplicate and too late."""
TEN = 1_793_527_200_000
"""2026-11-01T10:00:00Z."""
NINES: list[Mapping[str, Counts]] = [
    {"acme": (5, 1, 0), "globex": (2, 0, 1)},
    {"acme": (3, 0, 0)},
    {"globex": (1, 1, 1)},
]


def entries(
    partition: int,
    hour: int,
    counts: Mapping[str, Counts],
    log: tuple[int, int],
    previous: PreviousHour | None,
    skipped: int = 0,
) -> list[tuple[bytes, bytes]]:
    """The rows of one hour, the one without a company first; ``log`` are its raw offsets."""
    first, last = log
    rows = []
    received = sum(map(sum, counts.values()))
    spine = HourLog(first, last, len(counts) + 1, received, 0, 0, 0, skipped)
    for company, (counted, duplicate, late) in sorted({"": (0, 0, 0), **counts}.items()):
        total = counted + duplicate + late
        entry = LedgerEntry(
            partition=partition,
            hour=instant(hour),
            company=company or None,
            received=total,
            counted=counted,
            duplicate=duplicate,
            rejected={Reason.TOO_LATE: late} if late else {},
            first=first if total else None,
            last=last if total else None,
            outcomes=hashlib.sha256(f"{company} {hour} {total}".encode()).hexdigest(),
            log=None if company else spine,
            previous=previous,
        )
        rows.append((ledger_key(partition, hour, company), encode_entry(entry)))
    return rows


def honest(
    partition: int = 0, hours: Iterable[Mapping[str, Counts]] = NINES, first: int = 0, start: int = TEN
) -> list[list[tuple[bytes, bytes]]]:
    """The rows of consecutive hours, ten raw records each."""
    found: list[list[tuple[bytes, bytes]]] = []
    previous = None
    for number, counts in enumerate(hours):
        hour, begin = start + number * HOUR_MS, first + 10 * number
        rows = entries(partition, hour, counts, (begin, begin + 9), previous)
        previous = PreviousHour(instant(hour), hash_hour(rows))
        found.append(rows)
    return found


def flat(hours: Iterable[Iterable[tuple[bytes, bytes]]]) -> list[Row]:
    return [row for hour in hours for row in hour]


def changed(row: tuple[bytes, bytes], change: Callable[[dict[str, Any]], object]) -> tuple[bytes, bytes]:
    """The row with its entry changed, written as an honest writer would."""
    told = json.loads(row[1])
    change(told)
    return row[0], encode_entry(msgspec.convert(told, LedgerEntry))


def read(rows: Iterable[Row], partition: int = 0, partitions: int = 1) -> PartitionBooks:
    books = PartitionBooks(partition, partitions)
    for offset, (key, value) in enumerate(rows):
        books.add(offset, key, value)
    books.finish()
    return books


def kinds(findings: Iterable[Finding]) -> list[tuple[str, str | None, str | None]]:
    """(kind, hour of the day, company) of each finding."""
    return [(each.kind.value, each.hour and instant(each.hour)[11:13], each.company) for each in findings]


def quiet(hours: list[ClosedHour], *, aggregated: int | None = None, **more: int) -> Tail:
    """A tail in which the hour after the books is open and both workers are at the log's end."""
    last = hours[-1] if hours else None
    end = last.last + 1 if last else 0
    told = {
        "start": 0,
        "end": end + 1 if last else 0,
        "open_at": last.start + HOUR_MS + 5000 if last else -1,
        "closing_at": -1,
        "anonymized": end,
        "aggregated": end if aggregated is None else aggregated,
    }
    return Tail(**told | more)


def partition_of(books: PartitionBooks, tail: Tail | None = None) -> Partition:
    return Partition(books.partition, books.hours, [], books.findings, tail or quiet(books.hours), books.digests)


def correction(identity: str, old: int, new: int, offset: int, partition: int = 0) -> Row:
    return identity.encode(), encode_correction(identity, old, new, partition, offset, TEN)


def sink_record(identity: str, value: int, status: str, revision: int) -> bytes:
    company, metric, size, start, _ = identity.split("|")
    return json.dumps(
        {
            "id": identity,
            "company": company,
            "metric": metric,
            "kind": "count",
            "unit": "1",
            "dimensions": {},
            "window": {"size": size, "start": start, "end": start},
            "value": value,
            "status": status,
            "revision": revision,
            "watermark": start,
        }
    ).encode()
