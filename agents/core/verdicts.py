"""What becomes of the events of one record: entered in the books at once; of what is refused the first are named."""

from typing import Final

from agents.core.raw_state import RawState
from agents.core.records import Event, Refusal
from schemas.ledger import COUNTED, OUTCOME_CODES, REASONS_BY_CODE
from schemas.reasons import Outcome, Reason
from schemas.rejections import MOST_NAMED, Rejection, encode_alike, encode_rejection, with_more
from schemas.times import instant

__all__ = ["MOST_REJECTIONS", "Verdicts"]

MOST_REJECTIONS: Final = 20_000
"""Of a chunk, but for those of its last record: they lie in memory until they are written."""
_CODES: Final = dict(OUTCOME_CODES)


class Verdicts:
    """The record at hand: ``begin``, then each of its events in order, then ``end``."""

    __slots__ = (
        "_append_time",
        "_named",
        "_nameless",
        "_offset",
        "_received",
        "_record_duplicates",
        "_state",
        "_told",
        "_topic",
        "_unnamed",
    )

    def __init__(self, state: RawState, topic: str, *, record_duplicates: bool) -> None:
        self._state = state
        self._topic = topic
        self._record_duplicates = record_duplicates
        self._offset = 0
        self._append_time = -1
        self._received = ""
        self._named: dict[str, bytearray] = {}
        """Codes of what became of events, by company."""
        self._nameless = bytearray()
        """Of those of which no company is known."""
        self._told = self._unnamed = 0
        """Rejections of the record that are written, and that are not."""

    def begin(self, offset: int, append_time: int) -> None:
        """A record at this raw offset; ``append_time`` is the greatest so far, in milliseconds."""
        self._offset = offset
        self._told = self._unnamed = 0
        if append_time != self._append_time:
            self._append_time = append_time
            self._received = instant(append_time, fraction=True)

    def count(self, company: str) -> None:
        """The next event counts; ``company`` is empty where the books do not know it."""
        self._codes(company).append(COUNTED)

    def _codes(self, company: str) -> bytearray:
        if not company:
            return self._nameless
        codes = self._named.get(company)
        if codes is None:
            codes = self._named[company] = bytearray()
        return codes

    def refuse(self, event: Event, reason: Reason, at: str, *, named: bool) -> None:
        """The next event is refused; ``named`` says whether its company and source may be told."""
        self._codes(event.company if named else "").append(_CODES[reason])
        if reason is Reason.DUPLICATE and not self._record_duplicates:
            return
        if self._told >= MOST_NAMED:
            self._unnamed += 1
            return
        self._told += 1
        company, source, key = None, None, None
        if named:
            company, key = event.company, event.company.encode()
            source = self._state.base_of(event.company, event.source).hex()[:16]
        path = at if event.index is None else f"/{event.index}{at}"
        self._state.out.rejected.append((key, encode_rejection(self._rejection(reason, path, company, source))))

    def refuse_form(self, refusal: Refusal) -> None:
        """The next events, or the record as a whole, are refused for their form."""
        reason, at, count = refusal.reason, refusal.at, refusal.count
        self._nameless += bytes((_CODES[reason],)) * count
        named = min(count, MOST_NAMED - self._told)
        self._told += named
        self._unnamed += count - named
        if named == 1:
            value = encode_rejection(self._rejection(reason, refusal.path))
            self._state.out.rejected.append((None, value))
        elif named and refusal.index is not None:
            paths = [f"/{index}{at}" for index in range(refusal.index, refusal.index + named)]
            values = encode_alike(self._rejection(reason, ""), paths)
            self._state.out.rejected += [(None, value) for value in values]

    def _rejection(self, reason: Reason, path: str, company: str | None = None, source: str | None = None) -> Rejection:
        partition = self._state.partition
        return Rejection(self._topic, partition, self._offset, reason, path, company, source, self._received)

    def end(self) -> None:
        """The record is judged: enter all of it."""
        if self._nameless:
            self._enter("", self._nameless)
            self._nameless = bytearray()
        if self._named:
            for company, codes in self._named.items():
                self._enter(company, codes)
            self._named = {}
        if self._unnamed:
            rejected = self._state.out.rejected
            key, value = rejected[-1]
            rejected[-1] = key, with_more(value, self._unnamed)

    def _enter(self, company: str, codes: bytearray) -> None:
        state = self._state
        books, outcomes = state.books, state.out.outcomes
        state.size += books.touch_cost(company)
        counts = {code: codes.count(code) for code in set(codes)}
        books.account(company).take(self._offset, codes, counts)
        counted = counts.pop(COUNTED, 0)
        outcomes[Outcome.COUNTED] += counted
        outcomes[Outcome.REJECTED] += len(codes) - counted
        for code, count in counts.items():
            state.out.reasons[REASONS_BY_CODE[code]] += count
