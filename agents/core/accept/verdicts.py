"""What becomes of the events of one record: entered in the books at once; of what is refused the first are named."""

from collections.abc import Sequence
from typing import Final

from agents.core.accept.fast_decode import AT_ONCE
from agents.core.accept.state import RawState
from agents.core.shared.records import Event, Refusal
from schemas.reasons import Outcome, Reason
from schemas.times import instant
from schemas.wire.ledger import COUNTED, OUTCOME_CODES, REASONS_BY_CODE, pack_each, pack_outcome, pack_outcomes
from schemas.wire.rejections import MOST_NAMED, Rejection, Template, encode_rejection, with_more

__all__ = ["MOST_REJECTIONS", "Verdicts"]

MOST_REJECTIONS: Final = 20_000
"""Of a chunk, but for those of its last record: they lie in memory until they are written."""
_CODES: Final = dict(OUTCOME_CODES)
_AT_ONCE: Final = tuple([_CODES[reason] for reason, _ in AT_ONCE])


class Verdicts:
    """Each chunk: ``begin_chunk``, its records, ``end_chunk``; each record: ``begin``, its events in order, ``end``."""

    __slots__ = (
        "_append_time",
        "_by_code",
        "_codes",
        "_first",
        "_last",
        "_named",
        "_offset",
        "_outcomes",
        "_received",
        "_record_duplicates",
        "_rows",
        "_state",
        "_template",
        "_topic",
        "_unnamed",
    )

    def __init__(self, state: RawState, topic: str, *, record_duplicates: bool) -> None:
        self._state = state
        self._topic = topic
        self._record_duplicates = record_duplicates
        self._append_time = -1
        self._received = ""
        self._template = Template(topic, state.partition, "")
        self._offset = 0
        self._codes: dict[str, bytearray] = {}
        """Of the record at hand: codes of what became of events, by company."""
        self._named = self._unnamed = 0
        """Rejections of the record at hand that are written, and that are not."""
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """Begin a chunk of the state."""
        self._rows = self._state.out.rejected
        self._first = self._last = 0
        self._outcomes = bytearray()
        """Of events of which no company is known, packed; they are of raw offsets ``_first`` to ``_last``."""
        self._by_code = [0] * (max(OUTCOME_CODES.values()) + 1)

    def begin(self, offset: int, append_time: int) -> None:
        """A record at this raw offset; ``append_time`` is the greatest so far, in milliseconds."""
        self._offset = offset
        self._named = self._unnamed = 0
        if append_time != self._append_time:
            self._append_time = append_time
            self._received = instant(append_time, fraction=True)
            self._template = Template(self._topic, self._state.partition, self._received)

    def count(self, company: str) -> None:
        """The next event counts; ``company`` is empty where the books do not know it."""
        self._note(company, COUNTED)

    def _note(self, company: str, code: int) -> None:
        if not company:
            self._note_nameless(code, 1)
            return
        codes = self._codes.get(company)
        if codes is None:
            codes = self._codes[company] = bytearray()
        codes.append(code)

    def _note_nameless(self, code: int, count: int) -> None:
        if not self._outcomes:
            self._first = self._offset
            self._state.size += self._state.books.touch_cost("")
            self._state.books.account("")
        self._last = self._offset
        self._outcomes += pack_outcome(self._offset, code) * count
        self._by_code[code] += count

    def refuse(self, event: Event, reason: Reason, at: str, *, named: bool) -> None:
        """The next event is refused; ``named`` says whether its company and source may be told."""
        self._note(event.company if named else "", _CODES[reason])
        if reason is Reason.DUPLICATE and not self._record_duplicates:
            return
        if self._named >= MOST_NAMED:
            self._unnamed += 1
            return
        self._named += 1
        path = at if event.index is None else f"/{event.index}{at}"
        if not named:
            self._rows.append((None, self._template.encode(self._offset, reason, path)))
            return
        source = self._state.base_of(event.company, event.source).hex()[:16]
        where = (self._topic, self._state.partition, self._offset)
        rejection = Rejection(*where, reason, path, event.company, source, self._received)
        self._rows.append((event.company.encode(), encode_rejection(rejection)))

    def refuse_form(self, refusal: Refusal) -> None:
        """The next events, or the record as a whole, are refused for their form."""
        reason, count = refusal.reason, refusal.count
        self._note_nameless(_CODES[reason], count)
        named = min(count, MOST_NAMED - self._named)
        self._named += named
        self._unnamed += count - named
        if named == 1:
            self._rows.append((None, self._template.encode(self._offset, reason, refusal.path)))
        elif named and refusal.index is not None:
            indexes = range(refusal.index, refusal.index + named)
            values = self._template.encode_alike(self._offset, reason, indexes, refusal.at)
            self._rows += [(None, value) for value in values]

    @property
    def has_nameless(self) -> bool:
        """Whether the chunk has events already of which no company is known."""
        return bool(self._outcomes)

    def refuse_records(self, offsets: Sequence[int], found: bytes) -> None:
        """Refuse records that lie behind such an event, each once; ``found`` as ``Records.refused`` tells it."""
        self._outcomes += pack_each(offsets, [_AT_ONCE[verdict] for verdict in found])
        self._last = offsets[-1]
        for verdict, code in enumerate(_AT_ONCE):
            self._by_code[code] += found.count(verdict)
        self._rows += [(None, value) for value in self._template.encode_each(offsets, found, AT_ONCE)]

    def end(self) -> None:
        """The record is judged."""
        if self._codes:
            for company, codes in self._codes.items():
                outcomes = pack_outcomes(self._offset, codes)
                counts = {code: codes.count(code) for code in set(codes)}
                self._enter(company, (self._offset, self._offset), outcomes, counts)
            self._codes = {}
        if self._unnamed:
            key, value = self._rows[-1]
            self._rows[-1] = key, with_more(value, self._unnamed)

    def end_chunk(self) -> None:
        """Enter the events of which no company is known; whatever is in the books under none comes from here."""
        if self._outcomes:
            counts = {code: count for code, count in enumerate(self._by_code) if count}
            self._enter("", (self._first, self._last), self._outcomes, counts)

    def _enter(self, company: str, ends: tuple[int, int], outcomes: bytearray, counts: dict[int, int]) -> None:
        state = self._state
        state.size += state.books.touch_cost(company)
        state.books.account(company).enter(*ends, outcomes, counts)
        for code, count in counts.items():
            if code == COUNTED:
                state.out.outcomes[Outcome.COUNTED] += count
            else:
                state.out.outcomes[Outcome.REJECTED] += count
                state.out.reasons[REASONS_BY_CODE[code]] += count
