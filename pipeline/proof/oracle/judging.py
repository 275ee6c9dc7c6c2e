"""The oracle's decisions: which events of one raw partition count, and why the others do not (design 1.2 to 1.6).

Everything is kept in plain sets and dicts for the whole log.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from pipeline.kafka.stored import StoredRecord
from pipeline.proof.oracle.control import Controls, OracleKeys
from pipeline.proof.oracle.form import Fault, RawEvent, read_record
from pipeline.proof.oracle.homes import home_of
from pipeline.proof.oracle.seen import Seen, Word
from schemas.catalogue.types import Basis
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.reasons import Outcome, Reason
from schemas.times import instant
from schemas.wire.ledger import COUNTED, OUTCOME_CODES
from schemas.wire.rejections import MOST_NAMED, Rejection

__all__ = ["Closed", "Judge", "SourceMark"]

SourceMark = Callable[[str, str], str]
"""(company, source) to the first 16 hex digits of the source's pseudonym."""

_AT: Mapping[Reason, str] = {Reason.KEY_MISMATCH: "/company", Reason.CLOCK_AHEAD: "/time", Reason.TOO_LATE: "/time"}
"""Which attribute a reason found outside the form points at; the others point at the event."""


class Closed(NamedTuple):
    """Up to which end, in milliseconds, windows are closed; -1 where none is."""

    hours: int = -1
    days: int = -1


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
        self._seen: dict[tuple[str, str], Seen] = {}
        self._words: dict[tuple[str, str, str], Word] = defaultdict(Word)
        self._sources: dict[str, set[str]] = defaultdict(set)
        self._subjects: Counter[str] = Counter()
        self._day = -1
        self._new_companies: set[str] = set()
        self._closed: set[str] = set()
        self._unknown_withdrew = False

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
        read = read_record(record.key, record.value, record.headers, self.deciding.catalogue.accepted)
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
            reason, known = (Reason.KEY_MISMATCH, False) if item.company.encode() != key else self._judge(item)
            if reason is None:
                counted.append(item)
                self.outcomes.append((item.company if known else "", COUNTED))
            else:
                known_event = item if known else None
                self._reject(record, reason, item.place + _AT.get(reason, ""), known_event)
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
        source = self._source_mark(event.company, event.base) if event and self._source_mark else None
        received = instant(self._append, fraction=True)
        self.rejections.append(
            Rejection(self._topic, record.partition, record.offset, reason, path, company, source, received)
        )

    def _judge(self, event: RawEvent) -> tuple[Reason | None, bool]:
        """Why an event of right form and key does not count, None where it does; and whether its company is known."""
        self._controls.seen = self._append
        known = self._takes_in(event.company)
        return self._decide(event, known), known

    def _decide(self, event: RawEvent, known: bool) -> Reason | None:
        withdrawal = event.consent is not None and not event.consent[1]
        ahead = event.time > self._append + self.deciding.clock_ahead
        if ahead and not withdrawal:
            return Reason.CLOCK_AHEAD
        late = self.event_watermark >= 0 and event.time < self.event_watermark - self.deciding.lateness
        if not ahead:
            self.event_watermark = max(self.event_watermark, event.time)
        if late and not withdrawal:
            return Reason.TOO_LATE
        over = not known
        if known and not late:
            seen = self._seen_before(event, ahead)
            if seen:
                return Reason.DUPLICATE
            over = seen is None
        if event.consent is not None:
            over = self._hear(event, *event.consent, over, known, late or over)
        elif not self._may_count(event):
            return Reason.NO_CONSENT
        return Reason.OVER_BOUND if over else None

    # ---- bounds

    def _is_forgotten(self, seen: Seen) -> bool:
        return 0 <= seen.last_time < self.event_watermark - self.deciding.lateness

    def _alive(self, company: str) -> Iterator[str]:
        return (source for source in self._sources[company] if not self._is_forgotten(self._seen[company, source]))

    def _takes_in(self, company: str) -> bool:
        """Whether a company is known, or new on a day that has room for it."""
        day = self._append // DAY_MS
        if day != self._day:
            self._day, self._new_companies = day, set()
        if company in self._new_companies or self._subjects[company] or company in self._closed:
            return True
        if any(True for _ in self._alive(company)):
            return True
        if len(self._new_companies) >= self.deciding.max_new_companies:
            return False
        self._new_companies.add(company)
        if self._unknown_withdrew:
            self._closed.add(company)
        return True

    def _has_room(self, event: RawEvent) -> bool:
        """Whether something may be remembered of a source of which nothing is."""
        if len(self._sources[event.company]) < min(self.deciding.max_sources, self.deciding.max_incarnations):
            return True
        alive = set(self._alive(event.company))
        bases = {source.partition("#")[0] for source in alive}
        fits = event.base in bases or len(bases) < self.deciding.max_sources
        return len(alive) < self.deciding.max_incarnations and fits

    def _seen_before(self, event: RawEvent, ahead: bool) -> bool | None:
        """Whether the event was seen; None where it was not, and a bound keeps it from being remembered."""
        source = (event.company, event.source)
        seen = self._seen.get(source)
        if seen is None or self._is_forgotten(seen):
            if not self._has_room(event):
                return None
            seen = self._seen[source] = Seen()
            self._sources[event.company].add(event.source)
        elif event.sequence is not None and not seen.has(event):
            now, then = seen.intervals, seen.intervals_with(event.sequence)
            if then > now >= self.deciding.max_intervals:
                return None
        if not ahead:
            seen.last_time = max(seen.last_time, event.time)
        if seen.has(event):
            return True
        seen.add(event)
        return False

    # ---- consent

    def _hear(self, event: RawEvent, scope: str, granted: bool, over: bool, known: bool, may_repeat: bool) -> bool:
        """Take a word of consent; whether it is past a bound, which a withdrawal never is."""
        company = event.company
        subject = (company, scope, event.deployment if scope == "platform" else event.base)
        has_room = subject in self._words or self._subjects[company] < self.deciding.max_words
        if granted and (over or not has_room):
            return True
        if not known:
            self._unknown_withdrew = True
            return False
        if not has_room:
            self._closed.add(company)
            return False
        self._subjects[company] += subject not in self._words
        word = self._words[subject]
        if granted:
            if event.time > word.withdrawn_at:
                word.granted = True
            return False
        identity = (event.source, event.id)
        if not (may_repeat and word.last_withdrawal == identity):
            word.granted = False
            word.withdrawn_at = max(word.withdrawn_at, min(event.time, self._append))
            word.last_withdrawal = identity
        return False

    def _may_count(self, event: RawEvent) -> bool:
        basis = self.deciding.catalogue.types[event.type].basis
        if basis is Basis.CONTRACT:
            return True
        if event.company in self._closed:
            return False
        source, installation = event.base, event.deployment
        platform = self._granted(event.company, "platform", installation)
        app = self._granted(event.company, "app", source)
        if platform is False or app is False:
            return False
        if basis is Basis.OPT_OUT:
            return True
        return platform is True and (app is True or source == installation)

    def _granted(self, company: str, scope: str, subject: str) -> bool | None:
        word = self._words.get((company, scope, subject))
        return None if word is None else word.granted
