"""What was not counted in a figure: exactly, from raw; or of its whole company, from the books."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.explain.making import Counted, Making
from pipeline.proof.oracle.control import Controls
from pipeline.proof.oracle.form import RawEvent, read_record
from pipeline.proof.oracle.judging import Judge
from schemas.catalogue.fields import ABSENT
from schemas.deciding import Deciding
from schemas.reasons import Outcome, Reason
from schemas.wire.clean import Shape
from schemas.wire.ledger import COUNTED, REASONS_BY_CODE, LedgerEntry

__all__ = ["FromBooks", "FromRaw", "LeftOut", "Source"]


class Source(StrEnum):
    """Where it is known from what was left out."""

    RAW = "raw"
    """Events that would have been in this very figure."""
    LEDGER = "ledger"
    """All events of the company that came in the hours in which those of the figure came."""


@dataclass(slots=True)
class LeftOut:
    """Events not counted, by reason. From the ledger ``hours`` names the first and last hour of append time."""

    source: Source
    by_reason: Counter[Reason] = field(default_factory=Counter)
    hours: tuple[str, str] | None = None
    why: str = ""
    """Why not from raw."""
    value: int | None = None
    """From raw, what the figure comes to when raw is judged again."""


class FromRaw:
    """Judges one partition of raw from its start, as the oracle does, and looks what would have been in the figure."""

    def __init__(
        self,
        making: Making,
        deciding: Deciding,
        partitions: int,
        digests: Mapping[str, Deciding],
        controls: Controls | None = None,
    ) -> None:
        self._making = making
        self._judge = Judge(deciding, partitions, "raw", False, None, controls)
        self._digests = digests
        self._found = LeftOut(Source.RAW)

    def add(self, record: StoredRecord) -> None:
        """The next record of the partition."""
        judge, company = self._judge, self._making.wanted.company
        judge.read(record, self._digests)
        judge.rejections.clear()
        if judge.kind is not Outcome.COUNTED or all(whose != company for whose, _ in judge.outcomes):
            return
        events = read_record(record.key, record.value, record.headers, judge.deciding.catalogue.accepted)
        for event, (whose, code) in zip(events, judge.outcomes, strict=True):
            if whose == company and isinstance(event, RawEvent):
                self._enter(record.offset, event, code)

    def _enter(self, offset: int, event: RawEvent, code: int) -> None:
        measured = self._judge.deciding.catalogue.types[event.type].measured
        shape = Shape(event.type, tuple(event.values.values()), len(measured))
        if code == COUNTED:
            measures = [event.numbers.get(name, ABSENT) for name in measured]
            self._making.add(Counted(offset, event.time, shape, event.user, event.base, measures))
        elif self._making.matches(event.time, shape, has_user=event.user is not None, counted=False):
            self._found.by_reason[REASONS_BY_CODE[code]] += 1

    def result(self) -> LeftOut:
        """What was found."""
        self._found.value = self._making.value
        return self._found


class FromBooks:
    """Adds up the company's entries of the hours that hold raw offsets from ``low`` to ``high``."""

    def __init__(self, company: str, low: int, high: int, why: str) -> None:
        self._company, self._low, self._high = company, low, high
        self._pages: dict[str, LedgerEntry] = {}
        self._why = why

    def add(self, entry: LedgerEntry) -> None:
        """An entry of the ledger's partition, in any order, repeats too."""
        if entry.company != self._company or entry.first is None or entry.last is None:
            return
        if entry.first <= self._high and entry.last >= self._low:
            self._pages.setdefault(entry.hour, entry)

    def result(self) -> LeftOut:
        """What was found."""
        found = LeftOut(Source.LEDGER, why=self._why)
        for entry in self._pages.values():
            found.by_reason.update(entry.rejected)
            found.by_reason[Reason.DUPLICATE] += entry.duplicate
        found.by_reason += Counter()  # without those of 0
        if self._pages:
            found.hours = (min(self._pages), max(self._pages))
        return found
