"""Corrections against the sink: final plus every difference is the present figure (ADR 0013)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from agents.core.shared.home import home
from pipeline.proof.audit.books import ClosedHour
from pipeline.proof.audit.findings import UNKNOWN, Finding, FindingKind
from schemas.wire.aggregates import Status, decode_aggregate
from schemas.wire.corrections import Correction, decode_correction
from schemas.wire.forms import UnknownFormError

__all__ = ["PartitionCorrections", "SinkFigures"]


class _Present(NamedTuple):
    revision: int
    value: int
    status: str


class SinkFigures:
    """What one partition of the sink says: of each id the present value, and the final one where it is still there."""

    def __init__(self) -> None:
        self.present: dict[str, _Present] = {}
        self.finals: dict[str, _Present] = {}
        self.unknown = 0
        """Records of a shape that this release does not know."""

    def add(self, value: bytes | None) -> None:
        """A record of the sink; a deletion is passed over."""
        if value is None:
            return
        try:
            record = decode_aggregate(value)
        except UnknownFormError:
            self.unknown += 1
            return
        figure = _Present(record.revision, record.value, record.status.value)
        for held in (self.present, self.finals) if record.status is Status.FINAL else (self.present,):
            known = held.get(record.id)
            if known is None or figure.revision >= known.revision:
                held[record.id] = figure


class PartitionCorrections:
    """Takes the records of one partition of the corrections in their order."""

    def __init__(self, partition: int, partitions: int) -> None:
        self.partition = partition
        self.findings: list[Finding] = []
        self.by_id: dict[str, dict[int, Correction]] = {}
        self._partitions = partitions
        self._bytes: dict[tuple[str, int], bytes] = {}

    def add(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """The record at ``offset`` of the corrections."""
        try:
            correction = decode_correction(value or b"")
        except UnknownFormError:
            self._find(FindingKind.STRANGE, None, f"offset {offset} of the corrections is no correction{UNKNOWN}")
            return
        identity = (correction.id, correction.revision)
        if identity in self._bytes:
            if self._bytes[identity] != value:
                what = f"offset {offset} of the corrections tells revision {correction.revision} of it otherwise"
                self._find(FindingKind.UNEQUAL, correction, what)
            return
        self._bytes[identity] = value or b""
        self.by_id.setdefault(correction.id, {})[correction.revision] = correction
        at_home = home(correction.company.encode(), self._partitions) == self.partition == correction.cause.partition
        named = correction.id.startswith(f"{correction.company}|{correction.metric}|")
        if not at_home or not named or key != correction.id.encode():
            self._find(FindingKind.STRANGE, correction, f"offset {offset} of the corrections lies where it must not")
        if correction.difference != correction.new - correction.old:
            self._find(FindingKind.CORRECTION, correction, f"{_name(correction)}: new less old is not the difference")
        if correction.revision != 2 * correction.cause.offset + 1:
            self._find(FindingKind.CORRECTION, correction, f"{_name(correction)} is not the revision of its cause")

    def _find(self, kind: FindingKind, correction: Correction | None, what: str) -> None:
        company = correction.company if correction else None
        self.findings.append(Finding(kind, self.partition, None, company, what))

    def check(self, sink: SinkFigures, hours: Sequence[ClosedHour]) -> list[Finding]:
        """Everything that is wrong with the records read so far; the sink must have been read before them.

        Corrections that no closed hour of ``hours`` holds need not be in the sink yet.
        """
        found = list(self.findings)
        if sink.unknown:
            what = f"{sink.unknown} records of the sink are no figures{UNKNOWN}"
            found.append(Finding(FindingKind.STRANGE, self.partition, None, None, what))
        for identity, by_revision in sorted(self.by_id.items()):
            chain = [by_revision[revision] for revision in sorted(by_revision)]
            wrong = _links(sink.finals.get(identity), chain) + _present(sink.present.get(identity), chain)
            for kind, what in wrong:
                found.append(Finding(kind, self.partition, None, chain[0].company, f"{identity}: {what}"))
            hour = _behind(sink.present.get(identity), chain, hours)
            if hour is not None:
                what = f"{identity}: its last correction is not in the sink yet"
                found.append(Finding(FindingKind.BEHIND, self.partition, hour, chain[0].company, what))
        for identity, figure in sorted(sink.present.items()):
            if figure.status == Status.CORRECTED and identity not in self.by_id:
                company = identity.split("|", 1)[0]
                what = f"{identity}: the sink says corrected, there is no correction"
                found.append(Finding(FindingKind.MISSING, self.partition, None, company, what))
        return found


def _links(final: _Present | None, chain: list[Correction]) -> list[tuple[FindingKind, str]]:
    """What is wrong between the final figure and its first correction, and between one correction and the next."""
    wrong = []
    if final is not None and final.revision < chain[0].revision and final.value != chain[0].old:
        wrong.append((FindingKind.CORRECTION, f"final at {final.value}, corrected from {chain[0].old}"))
    for before, after in pairwise(chain):
        if before.new != after.old:
            what = f"revision {before.revision} left {before.new}, revision {after.revision} found {after.old}"
            wrong.append((FindingKind.CORRECTION, what))
    return wrong


def _name(correction: Correction) -> str:
    return f"{correction.id} revision {correction.revision}"


def _present(present: _Present | None, chain: list[Correction]) -> list[tuple[FindingKind, str]]:
    """What is wrong between a figure's corrections and what the sink says of it now."""
    if present is None or (present.revision < chain[0].revision and present.status != Status.CORRECTED):
        return []
    if present.status != Status.CORRECTED:
        return [(FindingKind.CORRECTION, f"corrected, yet the sink says {present.status}")]
    last = next((each for each in chain if each.revision == present.revision), None)
    if last is None:
        return [(FindingKind.MISSING, f"the sink's revision {present.revision} is no correction's")]
    if last.new != present.value:
        return [(FindingKind.CORRECTION, f"the sink says {present.value}, its corrections {last.new}")]
    return []


def _behind(present: _Present | None, chain: list[Correction], hours: Sequence[ClosedHour]) -> int | None:
    """The first closed hour with a correction that the sink does not know of."""
    revision = present.revision if present else -1
    offset = next((each.cause.offset for each in chain if each.revision > revision), None)
    if offset is None or not hours or offset > hours[-1].last:
        return None
    return hours[max(0, bisect_right(hours, offset, key=lambda hour: hour.first) - 1)].start
