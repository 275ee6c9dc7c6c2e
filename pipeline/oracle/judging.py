"""The oracle's decisions: which events of one raw partition count, and why the others do not (design 1.2 to 1.6).

Everything is kept in plain sets and dicts for the whole log.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from pipeline.oracle.control import Controls, OracleKeys
from pipeline.oracle.form import Fault, RawEvent, read_record
from pipeline.oracle.homes import home_of
from pipeline.reading import StoredRecord
from schemas.deciding import Deciding
from schemas.events import EVENT_TYPES, Basis
from schemas.ledger import COUNTED, OUTCOME_CODES
from schemas.limits import DAY_MS
from schemas.reasons import Outcome, Reason
from schemas.rejections import MOST_NAMED, Rejection
from schemas.times import instant

__all__ = ["Closed", "Judge", "SourceMark"]

SourceMark = Callable[[str, str], str]
"""(company, source) to the first 16 hex digits of the source's pseudonym."""

_AT: Mapping[Reason, str] = {Reason.KEY_MISMATCH: "/company", Reason.CLOCK_AHEAD: "/time", Reason.TOO_LATE: "/time"}
"""Which attribute a reason found outside the form points at; the others point at the event."""


class Closed(NamedTuple):
    """Up to which end, in milliseconds, windows are closed; -1 where none is."""

    hours: int = -1
    days: int = -1


class _Seen:
    """What was seen of one source since it was last forgotten."""

    def __init__(self) -> None:
        self.last_time = -1
        self.sequences: set[int] = set()
        self.ids: set[tuple[str, int]] = set()

    def has(self, event: RawEvent) -> bool:
        if event.sequence is not None:
            return event.sequence in self.sequences
        day = event.time // DAY_MS
        return any((event.id, near) in self.ids for near in (day - 1, day, day + 1))

    def add(self, event: RawEvent) -> None:
        if event.sequence is not None:
            self.sequences.add(event.sequence)
        else:
            self.ids.add((event.id, event.time // DAY_MS))


class _Word:
    """The consent of one subject in one scope; ``granted`` is None until somebody has spoken."""

    def __init__(self) -> None:
        self.granted: bool | None = None
        self.withdrawn_at = -1
        self.last_withdrawal: tuple[str, str] | None = None


class Judge:
    """Reads one partition record by record, in order of offset, and remembers all that decides."""

    def __init__(
        self,
        deciding: Deciding,
        partitions: int,
        topic: str,
        record_duplicates: bool,
        source_mark: SourceMark | None,
        controls: Controls | None = None,
    ) -> None:
        """Without ``controls`` no tick and no control record is genuine."""
        self.deciding = deciding
        self._controls = controls or Controls(OracleKeys(), topic, 0)
        self.event_watermark = -1
        self.closing_watermark = -1
        self.closed = Closed()
        self.rejections: list[Rejection] = []
        self.by_reason: Counter[Reason] = Counter()
        self.counted = 0
        self.moved = 0
        self.kind = Outcome.COUNTED
        """What the last record was: moved, a tick, a control record, or events."""
        self.outcomes: list[tuple[str, int]] = []
        """Of each event of the last record its company, "" where none is known, and its code in the books."""
        self._partitions = partitions
        self._topic = topic
        self._record_duplicates = record_duplicates
        self._source_mark = source_mark
        self._append = -1
        self._recorded = 0
        self._ticked = -1
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._words: dict[tuple[str, str, str], _Word] = defaultdict(_Word)

    def read(self, record: StoredRecord, digests: Mapping[str, Deciding]) -> list[RawEvent]:
        """The events of ``record`` that count, in order; what closes with it is closed for the next record."""
        self._append = max(self._append, record.append_time)
        counted: list[RawEvent] = []
        self.kind, self.outcomes = Outcome.COUNTED, []
        if self._controls.claims(record):
            self._control(record, digests)
        else:
            counted = self._events(record)
        self._close()
        return counted

    def _control(self, record: StoredRecord, digests: Mapping[str, Deciding]) -> None:
        found = self._controls.read(record)
        if found is None:
            self._recorded = 0
            self._reject(record, Reason.FORGED_CONTROL, "", None)
            return
        self.kind = found.kind
        if not found.counts:
            return
        self._controls.seen = self._append
        if found.kind is Outcome.TICK:
            self._ticked = max(self._ticked, self._append - self.deciding.idle_after)
        else:
            self.deciding = digests.get(found.digest, self.deciding)

    def _close(self) -> None:
        # A maximum, so that a longer grace from a control record on opens no window again.
        closing = self.closing_watermark = max(self.event_watermark, self._ticked)
        if closing >= 0:
            hours, days = closing - self.deciding.grace_hour, closing - self.deciding.grace_day
            self.closed = Closed(max(self.closed.hours, hours), max(self.closed.days, days))

    def _events(self, record: StoredRecord) -> list[RawEvent]:
        self._recorded = 0
        if record.unreadable_to is not None:
            self._reject(record, Reason.UNREADABLE, "", None)
            return []
        read = read_record(record.key, record.value, record.headers)
        first = next((item for item in read if isinstance(item, RawEvent)), None)
        key = record.key or (first.company.encode() if first else b"")
        if first and home_of(key, self._partitions) != record.partition:
            self.moved += 1
            self.kind = Outcome.MOVED
            return []
        counted = []
        for item in read:
            if isinstance(item, Fault):
                self._reject(record, item.reason, item.path, None)
                continue
            reason = Reason.KEY_MISMATCH if item.company.encode() != key else self._judge(item)
            if reason is None:
                counted.append(item)
                self.outcomes.append((item.company, COUNTED))
            else:
                told = None if reason is Reason.KEY_MISMATCH else item
                self._reject(record, reason, item.place + _AT.get(reason, ""), told)
        self.counted += len(counted)
        if self._recorded > MOST_NAMED:
            self.rejections[-1] = msgspec.structs.replace(self.rejections[-1], more=self._recorded - MOST_NAMED)
        return counted

    def _reject(self, record: StoredRecord, reason: Reason, path: str, event: RawEvent | None) -> None:
        self.by_reason[reason] += 1
        self.outcomes.append((event.company if event else "", OUTCOME_CODES[reason]))
        if reason is Reason.DUPLICATE and not self._record_duplicates:
            return
        self._recorded += 1
        if self._recorded > MOST_NAMED:
            return
        company = event.company if event else None
        source = self._source_mark(event.company, event.source) if event and self._source_mark else None
        received = instant(self._append, fraction=True)
        self.rejections.append(
            Rejection(self._topic, record.partition, record.offset, reason, path, company, source, received)
        )

    def _judge(self, event: RawEvent) -> Reason | None:
        """Why an event of right form and key does not count; None where it does."""
        self._controls.seen = self._append
        withdrawal = event.consent is not None and not event.consent[1]
        ahead = event.time > self._append + self.deciding.clock_ahead
        if ahead and not withdrawal:
            return Reason.CLOCK_AHEAD
        late = self.event_watermark >= 0 and event.time < self.event_watermark - self.deciding.lateness
        if not ahead:
            self.event_watermark = max(self.event_watermark, event.time)
        if late and not withdrawal:
            return Reason.TOO_LATE
        if not late and self._is_duplicate(event, ahead):
            return Reason.DUPLICATE
        if event.consent is not None:
            self._hear(event, *event.consent, late)
        elif not self._may_count(event):
            return Reason.NO_CONSENT
        return None

    def _is_duplicate(self, event: RawEvent, ahead: bool) -> bool:
        source = (event.company, event.source)
        seen = self._seen.get(source)
        if seen and 0 <= seen.last_time < self.event_watermark - self.deciding.lateness:
            seen = None
        if seen is None:
            seen = self._seen[source] = _Seen()
        if not ahead:
            seen.last_time = max(seen.last_time, event.time)
        if seen.has(event):
            return True
        seen.add(event)
        return False

    def _hear(self, event: RawEvent, scope: str, granted: bool, late: bool) -> None:
        subject = event.installation if scope == "platform" else event.source
        word = self._words[event.company, scope, subject]
        if granted:
            if event.time > word.withdrawn_at:
                word.granted = True
            return
        said = (event.source, event.id)
        if late and word.last_withdrawal == said:
            return
        word.granted = False
        word.withdrawn_at = max(word.withdrawn_at, min(event.time, self._append))
        word.last_withdrawal = said

    def _may_count(self, event: RawEvent) -> bool:
        basis = EVENT_TYPES[event.type].basis
        if basis is Basis.CONTRACT:
            return True
        platform = self._granted(event.company, "platform", event.installation)
        app = self._granted(event.company, "app", event.source)
        if platform is False or app is False:
            return False
        if basis is Basis.OPT_OUT:
            return True
        return platform is True and (app is True or event.source == event.installation)

    def _granted(self, company: str, scope: str, subject: str) -> bool | None:
        word = self._words.get((company, scope, subject))
        return None if word is None else word.granted
