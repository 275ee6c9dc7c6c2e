"""The record-wise fold, which says what is right: what becomes of a record, and of each event whether it counts.

What is decided first is in :data:`schemas.reasons.DECISION_ORDER`; of the events that it takes, the fast path decides
the same.
"""

from agents.core.accept.consent import Consent
from agents.core.accept.controlling import Controlling
from agents.core.accept.fast_decode import reader_of
from agents.core.accept.source import NO_TIME
from agents.core.accept.state import RawState
from agents.core.accept.verdicts import Verdicts
from agents.core.shared.control import Found, Word
from agents.core.shared.home import placement
from agents.core.shared.records import Event, Move, RawRecord, Refusal
from agents.core.shared.windows import NEVER
from schemas.bounds import Bound
from schemas.limits import HOUR_MS
from schemas.names import Pseudonym
from schemas.reasons import Outcome, Reason

__all__ = ["Fallback"]


class Fallback:
    """Folds whatever the fast path does not take into the state of one raw partition."""

    __slots__ = ("_closing_before", "_control", "_decode", "_offset", "_state", "_verdicts")

    def __init__(self, state: RawState, control: Controlling, verdicts: Verdicts) -> None:
        self._state = state
        self._control = control
        self._verdicts = verdicts
        self._decode = reader_of(state.deciding.catalogue).decode
        self._offset = 0
        """Of the record at hand."""
        self._closing_before = NEVER
        """The closing watermark before that record."""

    def fold(self, record: RawRecord, taken: int, control: Found | None) -> None:
        """Fold a record of which the fast path took the first events, if any.

        Its append time and its offset are in the entry already; ``control`` is what its headers say of it.
        """
        entry, out, books = self._state.entry, self._state.out, self._state.books
        self._offset = record.offset
        self._closing_before = entry.closing_watermark
        self._verdicts.begin(record.offset, entry.append_time)
        if control is not None and control.word is not Word.FORGED:
            self._control.apply(control)
            return
        if control is not None or record.unreadable_to is not None:
            self._refuse(Refusal(None, Reason.UNREADABLE if control is None else Reason.FORGED_CONTROL, ""))
            return
        decoded = self._decode(record)
        if not decoded.items:
            return
        if len(decoded.items) == 1 and isinstance(refusal := decoded.items[0], Refusal):
            self._refuse(refusal)
            return
        move_to, key = placement(decoded, record.key, self._state.partition, self._state.partitions)
        if move_to is not None:
            out.moves.append(Move(move_to, key or b"", record.value, record.headers))
            out.outcomes[Outcome.MOVED] += 1
            books.moved += 1
            return
        company = (key or b"").decode("ascii", "replace")  # no company's name is anything but ASCII, or empty
        for item in decoded.items[taken:]:
            if isinstance(item, Refusal):
                books.received += item.count
                self._verdicts.refuse_form(item)
                continue
            books.received += 1
            if item.company == company:
                self._fold_event(item)
            else:
                self._verdicts.refuse(item, Reason.KEY_MISMATCH, "/company", named=False)
        self._verdicts.end()
        entry.closing_watermark = max(entry.closing_watermark, entry.event_watermark)

    def _refuse(self, refusal: Refusal) -> None:
        """All that is in the record."""
        self._state.books.received += refusal.count
        self._verdicts.refuse_form(refusal)
        self._verdicts.end()

    def _fold_event(self, event: Event) -> None:
        entry, state = self._state.entry, self._state
        entry.seen = entry.append_time
        known = state.admits(event.company)
        withdrawal = event.consent is not None and not event.consent[1]
        ahead = event.time > entry.append_time + state.deciding.clock_ahead
        late = event.time < entry.event_watermark - state.deciding.lateness
        if ahead and not withdrawal:
            self._verdicts.refuse(event, Reason.CLOCK_AHEAD, "/time", named=known)
            return
        if not ahead:
            entry.event_watermark = max(entry.event_watermark, event.time)
        if late and not withdrawal:
            self._verdicts.refuse(event, Reason.TOO_LATE, "/time", named=known)
            return
        over: Bound | None = None if known else Bound.NEW_COMPANIES
        if known and not late:
            seen = self._remember(event, ahead=ahead)
            if seen is True:
                self._verdicts.refuse(event, Reason.DUPLICATE, "", named=known)
                return
            over = seen or None
        self._decide(event, over, known=known, repeats=late or over is not None)

    def _decide(self, event: Event, over: Bound | None, *, known: bool, repeats: bool) -> None:
        """Whether an event that is no duplicate counts; ``repeats`` where a repeat of it would not be told from it."""
        state, kind = self._state, self._state.types[event.type]
        base = state.base_of(event.company, event.source)
        installation = state.base_of(event.company, event.installation)
        if not state.consent.allows(kind.basis, event.company, installation, base):
            self._verdicts.refuse(event, Reason.NO_CONSENT, "", named=known)
            return
        if event.consent is not None:
            over = self._take_word(event, installation, base, over, known=known, repeats=repeats)
        if over is not None:
            state.out.over[over] += 1
            self._verdicts.refuse(event, Reason.OVER_BOUND, "", named=known)
            return
        self._count(event, base, active=kind.activates(event.values), known=known)

    def _remember(self, event: Event, *, ahead: bool) -> bool | Bound:
        """Whether the event was seen; it is remembered as seen, unless a bound keeps it from being so."""
        state, entry = self._state, self._state.entry
        key = event.company.encode() + b"|" + state.pseudonyms.source(event.company, event.source)
        source = state.sources.find(key)
        if source is None or state.sources.is_forgotten(source, entry.event_watermark):
            base = state.base_of(event.company, event.source)
            if (bound := state.bounds.refuses(key, base, entry.event_watermark)) is not None:
                return bound
            source = state.sources.begin(key, base, self._offset, source, state.tombstones)
            state.bounds.begun(source)
        elif event.sequence is not None and source.sequences.is_past(event.sequence, state.deciding.max_intervals):
            return Bound.INTERVALS
        if not ahead and event.time > source.last_time:
            if source.last_time == NO_TIME:
                state.bounds.timed(source, event.time)
            source.last_time = event.time
        state.size += state.sources.touch(source)
        if event.sequence is not None:
            grown = source.sequences.add(event.sequence)
        else:
            grown = state.remember_id(source, event.company, event.id, event.time)
        state.size += grown
        return not grown

    def _take_word(
        self, event: Event, installation: Pseudonym, base: Pseudonym, over: Bound | None, *, known: bool, repeats: bool
    ) -> Bound | None:
        """Take a word of consent; the bound past which a grant is, a withdrawal is past none."""
        state, (scope, granted) = self._state, event.consent or ("", True)
        key = Consent.key(event.company, scope, installation if scope == "platform" else base)
        has_room = known and state.consent.has_room(key, state.deciding.max_words)
        if granted:
            if over is None and not has_room:
                over = Bound.WORDS
            if over is None:
                state.size += state.consent.grant(key, event.time)
            return over
        if not known:
            self._state.entry.unknown_withdrew = 1
        elif not has_room:
            state.size += state.consent.close(event.company)
        else:
            whole = state.pseudonyms.source(event.company, event.source)
            mark = state.pseudonyms.identity(event.company, whole, event.id)
            at = min(event.time, self._state.entry.append_time)
            state.size += state.consent.withdraw(key, at, mark, may_repeat=repeats)
        return None

    def _count(self, event: Event, base: Pseudonym, *, active: bool, known: bool) -> None:
        user = None if event.user is None else self._state.pseudonyms.user(event.company, event.user)
        builder = self._state.builder
        company = builder.company(event.company)
        shape = builder.shape(event.type, event.values, len(event.measures))
        number = -1 if user is None else builder.user(user)
        row = (self._offset, event.time, self._closing_before, company, shape, number, builder.source(base))
        builder.add(row)
        builder.measures.extend(event.measures)
        self._verdicts.count(event.company if known else "")
        if event.consent is None:
            self._state.pending.fell(event.time // HOUR_MS, active=active and user is not None)
