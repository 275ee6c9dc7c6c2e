"""A period over all partitions: up to when it is closed, what it comes to, and the one line that proves it."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.core.shared.windows import parse_instant
from pipeline.proof.audit.books import ClosedHour
from pipeline.proof.audit.findings import Finding, FindingKind
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.corrections import Correction
from schemas.wire.ledger import ledger_key

__all__ = ["Audit", "Partition", "Tail", "Unfinished", "against_raw", "closed_until", "conclude", "head_of"]

_UNKNOWN = -1


class Tail(NamedTuple):
    """What lies in raw behind the books of one partition; offsets, and times in ms, -1 where there is none.

    ``open_at`` is the append time of the first record that no closed hour holds, ``closing_at`` the offset of the
    first one of a later hour than that; the workers' states are folds up to ``anonymized`` and ``aggregated``.
    """

    start: int
    end: int
    open_at: int
    closing_at: int
    anonymized: int
    aggregated: int


@dataclass(frozen=True, slots=True)
class Partition:
    """All that is known of one partition; ``corrections`` once each."""

    number: int
    hours: Sequence[ClosedHour]
    corrections: Sequence[Correction]
    findings: Sequence[Finding]
    tail: Tail
    digests: Mapping[int, Mapping[str, bytes]] = field(default_factory=dict)
    """As in :class:`pipeline.proof.audit.books.PartitionBooks`."""


class Unfinished(NamedTuple):
    """Why the period of an audit is not finished in a partition; ``closed`` is up to when its books are, in ms."""

    partition: int
    closed: int
    what: str


@dataclass(slots=True)
class Audit:
    """What an audit came to; ``start`` and ``end`` in ms, half-open, both -1 where no hour is closed everywhere."""

    prefix: str
    partitions: int
    start: int = _UNKNOWN
    end: int = _UNKNOWN
    hours: int = 0
    entries: int = 0
    received: int = 0
    counted: int = 0
    duplicate: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    corrections: int = 0
    difference: int = 0
    begins: dict[int, int] = field(default_factory=dict)
    """Partition to the raw offset with which its books begin within the period, where that is not 0."""
    last_hours: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Partition to its last hour before ``end`` and that hour's hash: what the head is made of."""
    head: str = ""
    unfinished: list[Unfinished] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        """Whether there is a finished period and nothing is wrong with it."""
        return self.start != _UNKNOWN and not self.unfinished and not self.findings

    @property
    def period(self) -> str:
        """``from/to``."""
        return f"{instant(self.start)}/{instant(self.end)}"

    @property
    def line(self) -> str:
        """The proof: the same for a period whenever and wherever it is asked for."""
        counts = f"received {self.received} = counted {self.counted} + duplicate {self.duplicate}"
        counts += f" + rejected {self.rejected.total()}"
        begun = ", ".join(f"{partition} at raw offset {first}" for partition, first in sorted(self.begins.items()))
        begun = f"; books begin in partition {begun}" if begun else ""
        return (
            f"proven {self.period} {self.prefix}: {self.partitions} partitions, {self.hours} hours, "
            f"{self.entries} entries; {counts}; corrections {self.corrections}, sum {self.difference:+d}{begun}; "
            f"head {self.head}"
        )


def closed_until(partition: Partition) -> int | None:
    """Up to when books and figures of a partition are closed (ms); None where nothing ever lay there, -1 if unknown."""
    tail = partition.tail
    open_since = tail.open_at - tail.open_at % HOUR_MS if tail.open_at >= 0 else None
    if not partition.hours:
        if tail.end == 0:
            return None
        return open_since if tail.start == 0 and open_since is not None else _UNKNOWN
    ahead = next((hour for hour in partition.hours if hour.last > tail.aggregated), None)
    if ahead is not None:
        return ahead.start
    last = partition.hours[-1]
    if open_since is not None and tail.start <= last.last + 1:
        return max(open_since, last.start + HOUR_MS)
    return last.start + HOUR_MS


def conclude(
    prefix: str, partitions: Sequence[Partition], start: int | None, end: int | None, expected_head: str | None
) -> Audit:
    """The audit of ``start`` to ``end`` (ms); by default from where the books begin to where all are closed."""
    audit = Audit(prefix, len(partitions))
    closed = [(each, until) for each in partitions if (until := closed_until(each)) is not None]
    firsts = [each.hours[0].start for each in partitions if each.hours]
    begin = start if start is not None else min(firsts, default=_UNKNOWN)
    until = end if end is not None else min((until for _, until in closed), default=_UNKNOWN)
    audit.findings = [finding for each in partitions for finding in _missing_tail(each)]
    nothing = end is None and (not firsts or until <= begin)
    for each, reached in closed:
        if reached < until or (nothing and (not firsts or reached <= begin)):
            audit.unfinished.append(Unfinished(each.number, reached, _why_open(each)))
    if nothing or begin == _UNKNOWN:
        audit.findings += [finding for each in partitions for finding in each.findings]
        return audit
    audit.start, audit.end = begin, until
    for each in partitions:
        _add_up(audit, each)
    audit.head = head_of(audit.last_hours)
    if expected_head is not None and expected_head != audit.head:
        what = f"the head of the books is {audit.head}, not {expected_head}"
        audit.findings.append(Finding(FindingKind.HEAD, None, None, None, what))
    return audit


def _add_up(audit: Audit, partition: Partition) -> None:
    within = [hour for hour in partition.hours if audit.start <= hour.start < audit.end]
    before = [hour for hour in partition.hours if hour.start < audit.end]
    audit.findings += [each for each in partition.findings if each.hour is None or audit.start <= each.hour < audit.end]
    if before:
        audit.last_hours[partition.number] = (before[-1].start, before[-1].hash)
    if not within:
        return
    audit.hours += len(within)
    for hour in within:
        audit.entries += hour.entries
        audit.received += hour.received
        audit.counted += hour.counted
        audit.duplicate += hour.duplicate
        audit.rejected.update(hour.rejected)
    if within[0] is partition.hours[0] and within[0].first > 0:
        audit.begins[partition.number] = within[0].first
    first, last = within[0].first, within[-1].last
    caused = [each for each in partition.corrections if first <= each.cause.offset <= last]
    audit.corrections += len(caused)
    audit.difference += sum(each.difference for each in caused)


def _missing_tail(partition: Partition) -> list[Finding]:
    """Whether an hour is closed and its entries are written, for its worker has folded on, and yet is not there."""
    tail = partition.tail
    if tail.open_at < 0 or tail.closing_at < 0 or tail.anonymized < tail.closing_at:
        return []
    hour = tail.open_at - tail.open_at % HOUR_MS
    what = f"{instant(hour)} and what follows it is folded (up to raw offset {tail.anonymized}), but not in the books"
    return [Finding(FindingKind.MISSING, partition.number, None, None, what)]


def _why_open(partition: Partition) -> str:
    tail = partition.tail
    if partition.hours and partition.hours[-1].last > tail.aggregated:
        return f"worker aggregate is behind the books: its figures are those up to raw offset {tail.aggregated}"
    if tail.open_at >= 0 and tail.closing_at >= 0:
        return f"open since {instant(tail.open_at)}; worker anonymize is behind, at raw offset {tail.anonymized}"
    if tail.open_at >= 0:
        return f"open since {instant(tail.open_at)}; an hour closes with the first record of a later one"
    return f"open; the raw topic has nothing left of it, which ends at offset {tail.end}"


def against_raw(audit: Audit, partitions: Sequence[Partition], expected: Mapping[bytes, bytes]) -> list[Finding]:
    """Where the entries of the period are not ``expected``: those that the raw topic comes to, key to bytes."""
    digests = {
        ledger_key(each.number, hour, company): (each.number, hour, company, digest)
        for each in partitions
        for hour, entries in each.digests.items()
        for company, digest in entries.items()
        if audit.start <= hour < audit.end
    }
    found = [
        Finding(FindingKind.RAW, number, hour, company or None, "is not what the raw topic comes to")
        for key, (number, hour, company, digest) in digests.items()
        if hashlib.sha256(expected.get(key, b"")).digest() != digest
    ]
    for key in expected.keys() - digests.keys():
        number, hour_text, company = key.decode().split("|")
        hour = parse_instant(hour_text)
        if audit.start <= hour < audit.end:
            what = "the raw topic has events for it"
            found.append(Finding(FindingKind.MISSING, int(number), hour, company or None, what))
    return sorted(found, key=lambda each: (each.partition or 0, each.hour or 0, each.company or ""))


def head_of(last_hours: Mapping[int, tuple[int, str]]) -> str:
    """SHA-256 over a line ``partition|hour|hash`` for each partition with books, in order of partition."""
    lines = [f"{number}|{instant(hour)}|{digest}\n" for number, (hour, digest) in sorted(last_hours.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
