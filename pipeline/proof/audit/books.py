"""The books of one partition, read entry by entry: whole, balanced, chained, and without a hole (ADR 0013)."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.core.shared.home import home
from agents.core.shared.windows import parse_instant
from pipeline.proof.audit.findings import UNKNOWN, Finding, FindingKind
from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.ledger import LedgerEntry, PreviousHour, decode_entry, hash_hour, ledger_key

__all__ = ["ClosedHour", "PartitionBooks"]


@dataclass(frozen=True, slots=True)
class ClosedHour:
    """One hour of one partition; ``start`` in ms, ``first`` and ``last`` its raw offsets, -1 where it does not say."""

    start: int
    hash: str
    first: int
    last: int
    entries: int
    received: int
    counted: int
    duplicate: int
    rejected: Mapping[Reason, int] = field(default_factory=dict)


class PartitionBooks:
    """Takes the records of one partition of the ledger in their order; an hour is judged once a later one begins.

    Of every entry only a digest is kept, so that repeats can be compared.
    """

    def __init__(self, partition: int, partitions: int) -> None:
        self.partition = partition
        self.hours: list[ClosedHour] = []
        self.findings: list[Finding] = []
        self.digests: dict[int, dict[str, bytes]] = {}
        """Hour to company, "" for the entry without one, to the SHA-256 of the entry."""
        self._partitions = partitions
        self._hour = -1
        self._rows: list[tuple[bytes, bytes]] = []
        self._entries: list[LedgerEntry] = []

    def add(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """The record at ``offset`` of the ledger."""
        try:
            entry = decode_entry(value or b"")
            hour = parse_instant(entry.hour)
            if entry.previous is not None:
                parse_instant(entry.previous.hour)
        except ValueError:  # also UnknownFormError
            what = f"the record at offset {offset} of the ledger is no entry{UNKNOWN}"
            self._find(FindingKind.STRANGE, None, None, what)
            return
        company = entry.company or ""
        if entry.partition != self.partition or key != ledger_key(entry.partition, hour, company):
            self._find(FindingKind.STRANGE, None, None, f"offset {offset} of the ledger lies under a foreign key")
            return
        if company and home(company.encode(), self._partitions) != self.partition:
            self._find(FindingKind.STRANGE, hour, company, f"offset {offset}: the company is at home elsewhere")
        digest = hashlib.sha256(value or b"").digest()
        known = self.digests.setdefault(hour, {})
        if company in known:
            if known[company] != digest:
                self._find(FindingKind.UNEQUAL, hour, company, f"offset {offset} of the ledger tells it otherwise")
            return
        known[company] = digest
        if hour < self._hour:
            self._find(FindingKind.ORDER, hour, company, f"offset {offset} of the ledger comes after a later hour")
            return
        if hour > self._hour:
            self._seal()
            self._hour = hour
        self._rows.append((key, value or b""))
        self._entries.append(entry)

    def finish(self) -> None:
        """The ledger has been read to its end."""
        self._seal()

    def _find(self, kind: FindingKind, hour: int | None, company: str | None, what: str) -> None:
        self.findings.append(Finding(kind, self.partition, hour, company, what))

    def _seal(self) -> None:
        if not self._rows:
            return
        hour, entries = self._hour, self._entries
        log = next((entry.log for entry in entries if entry.company is None), None)
        rejected: Counter[Reason] = Counter()
        for entry in entries:
            rejected.update(entry.rejected)
        sealed = ClosedHour(
            start=hour,
            hash=hash_hour(self._rows),
            first=log.first if log else -1,
            last=log.last if log else -1,
            entries=len(entries),
            received=sum(entry.received for entry in entries),
            counted=sum(entry.counted for entry in entries),
            duplicate=sum(entry.duplicate for entry in entries),
            rejected=dict(rejected),
        )
        self._check_whole(sealed)
        for entry in entries:
            self._check_entry(entry, sealed)
        self._check_chain(sealed, {entry.previous for entry in entries})
        self._rows, self._entries = [], []
        self.hours.append(sealed)

    def _check_whole(self, sealed: ClosedHour) -> None:
        log = next((entry.log for entry in self._entries if entry.log is not None), None)
        if log is None or sealed.first < 0:
            self._find(FindingKind.MISSING, sealed.start, None, "the entry without a company")
            return
        if log.entries != sealed.entries:
            kind = FindingKind.MISSING if log.entries > sealed.entries else FindingKind.SURPLUS
            self._find(kind, sealed.start, None, f"{sealed.entries} entries where the hour says {log.entries}")
        if log.received != sealed.received:
            what = f"received {log.received} in the hour, {sealed.received} in its entries"
            self._find(FindingKind.UNBALANCED, sealed.start, None, what)
        if log.skipped:
            what = f"{log.skipped} of the raw offsets {log.first} to {log.last} are in nobody's account"
            self._find(FindingKind.SKIPPED, sealed.start, None, what)
        if log.moved + log.ticks + log.controls + log.skipped > log.last - log.first + 1:
            self._find(FindingKind.RANGE, sealed.start, None, "more records than it has offsets")

    def _check_entry(self, entry: LedgerEntry, sealed: ClosedHour) -> None:
        decided = entry.counted + entry.duplicate + sum(entry.rejected.values())
        if entry.received != decided:
            what = f"received {entry.received} is not counted {entry.counted} + duplicate {entry.duplicate}"
            what += f" + rejected {sum(entry.rejected.values())}"
            self._find(FindingKind.UNBALANCED, sealed.start, entry.company, what)
        if entry.company is not None and entry.log is not None:
            self._find(FindingKind.STRANGE, sealed.start, entry.company, "a company's entry tells of the log")
        if entry.first is None or entry.last is None:
            sound = entry.first is None and entry.last is None and not entry.received
        else:
            low = max(sealed.first, 0)
            high = sealed.last if sealed.first >= 0 else entry.last
            sound = low <= entry.first <= entry.last <= high and entry.received > 0
        if not sound:
            self._find(FindingKind.RANGE, sealed.start, entry.company, "its offsets are not those of the hour")

    def _check_chain(self, sealed: ClosedHour, named: set[PreviousHour | None]) -> None:
        """What is wrong with the hour before is found at that hour: it is the one that is vouched for."""
        before = self.hours[-1] if self.hours else None
        if len(named) > 1:
            self._find(FindingKind.CHAIN, sealed.start, None, "its entries disagree about the hour before")
            return
        (previous,) = named
        if before is None:
            if previous is not None:
                what = f"the books begin with {instant(sealed.start)}, which follows on {previous.hour}"
                self._find(FindingKind.MISSING, None, None, what)
        elif previous is None:
            self._find(FindingKind.CHAIN, before.start, None, f"the books begin anew with {instant(sealed.start)}")
        elif previous.hour != instant(before.start):
            self._check_other_hour(sealed, before, previous)
        elif previous.hash != before.hash:
            what = f"its hash is {before.hash[:16]}…, {instant(sealed.start)} says {previous.hash[:16]}…"
            self._find(FindingKind.CHAIN, before.start, None, what)
        if before is not None and before.first >= 0 <= sealed.first != before.last + 1:
            what = f"begins with raw offset {sealed.first}, the hour before ends with {before.last}"
            self._find(FindingKind.RANGE, sealed.start, None, what)

    def _check_other_hour(self, sealed: ClosedHour, before: ClosedHour, previous: PreviousHour) -> None:
        if previous.hour > instant(before.start):
            what = f"{instant(sealed.start)} follows on it, yet it has no entries"
            self._find(FindingKind.MISSING, parse_instant(previous.hour), None, what)
        else:
            what = f"{instant(sealed.start)} follows on {previous.hour} and does not know it"
            self._find(FindingKind.SURPLUS, before.start, None, what)
