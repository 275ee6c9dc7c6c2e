"""The first fold's fast path where its compiled form is there: what that asks of the state, and what it leaves there.

The compiled form (``agents/core/native``) reads records and decides; names come to it as numbers, and for each name it
asks here once a chunk, or for a source once a run. It takes an event only where it is sure of everything that the
record-wise fold would decide, and leaves no trace of one that it does not take.
"""

from array import array
from collections.abc import Sequence
from typing import Final, cast

from agents.core.accept.source import NO_TIME, Source
from agents.core.accept.state import CHUNK_BYTES, RawState
from agents.core.native import FastPath, Records, Types
from agents.core.shared.records import RawRecord
from schemas.catalogue.types import Basis, EventType
from schemas.names import Pseudonym

__all__ = ["FastPathRun"]

_FAR: Final = 1 << 62

ShapeNames = tuple[str | None, ...]
"""A shape: the type, which the fast path takes, and each of its fields, None where it is absent."""


class FastPathRun:
    """The fast path of one chunk; what it remembers holds for that chunk alone."""

    def __init__(self, state: RawState, records: Sequence[RawRecord]) -> None:
        self._state = state
        self._records = records
        types = cast("Types", state.fast_path_types)  # there is no run where the compiled part is not built
        self._fast_path = FastPath(records if isinstance(records, Records) else list(records), types)

    def run(self, at: int) -> tuple[int, int]:
        """Fold the records from index ``at`` for as long as the fast path takes them.

        Returns the index of the first that was not, and how many of its events were taken before that was seen.
        """
        if not self._fast_path.holds(at):
            return at, 0
        state, entry, books, deciding = self._state, self._state.entry, self._state.books, self._state.deciding
        hours: set[int] = set()
        stands = (entry.append_time, entry.event_watermark, entry.closing_watermark)
        bounds = (books.end, deciding.clock_ahead, deciding.lateness, not state.consent.any_word)
        facts = (*stands, *bounds, state.size, CHUNK_BYTES)
        at, events, taken, *now, size = self._fast_path.run(
            self, state.builder.columns(), state.builder.measures, hours, at, facts
        )
        if taken:
            state.took(taken, self._records[at if events else at - 1].offset, (now[0], now[1], now[2]), size, hours)
        return at, events

    # ---- what the compiled form asks

    def company(self, key: bytes) -> str | None:
        """The company of a key that is at home here."""
        return self._state.company_of(key)

    def open(self, company: str, name: str) -> tuple[Source, Pseudonym, int, int, int, int] | None:
        """A source that the state knows; of any other the first event is for the record-wise fold.

        With the pseudonym of the part before ``#``, its last time, the end of its sequences, by how much the state
        grows as they are first extended, and as the source is touched.
        """
        pseudonym = self._state.pseudonyms.source(company, name)
        source = self._state.sources.find(company.encode() + b"|" + pseudonym)
        if source is None or source.last_time == NO_TIME:
            return None
        end, cost = self._tail(source)
        return source, Pseudonym(source.base), source.last_time, end, cost, self._state.sources.touch_cost(source)

    @staticmethod
    def _tail(source: Source) -> tuple[int, int]:
        end, cost = source.sequences.tail()
        return (end if end < _FAR else -1), cost

    def close(self, source: Source, last_time: int, end: int) -> None:
        """What was seen of a source in a run; ``end`` is -1 where its last interval did not grow."""
        source.last_time = last_time
        self._state.sources.timed(source)
        if end >= 0:
            source.sequences.extend(end)

    def add(self, source: Source, end: int, sequence: int) -> tuple[int, int, int]:
        """Put in a sequence out of order, ``end`` as in ``close``; by how much the state grew, then as ``open``."""
        if end >= 0:
            source.sequences.extend(end)
        return self._state.add_sequence(source, sequence), *self._tail(source)

    def remember(self, of: tuple[str, Source], identity: str, time: int) -> int:
        """Put in an id; 0 where it was seen, else by how much the state grew."""
        company, source = of
        return self._state.remember_id(source, company, identity, time)

    def touch(self, source: Source) -> None:
        """Have the source written with the chunk."""
        self._state.sources.touch(source)

    def enter(self, company: str) -> tuple[int, "array[int]", int]:
        """A company's number, where its books take counted events, and by how much the state grows."""
        books = self._state.books
        cost = books.touch_cost(company)
        return self._state.builder.company(company), books.account(company).fast, cost

    def shape(self, names: ShapeNames) -> tuple[bool, bool, bool] | None:
        """Whether a shape is active, always counted, and counted unless somebody refused; None in doubt."""
        entry = self._type_of(names)
        if not self._state.shapes.is_known(entry.name, names[1:]):
            return None
        active = entry.activates(entry.filled(names[1:]))
        return active, entry.basis is Basis.CONTRACT, entry.basis is Basis.OPT_OUT

    def number_shape(self, names: ShapeNames) -> int:
        """The shape's number in this chunk."""
        entry = self._type_of(names)
        return self._state.builder.shape(entry.name, entry.filled(names[1:]), len(entry.measures))

    def user(self, company: str, user: str) -> int:
        """The user's number in this chunk."""
        return self._state.builder.user(self._state.pseudonyms.user(company, user))

    def number_source(self, pseudonym: Pseudonym) -> int:
        """The source's number in this chunk."""
        return self._state.builder.source(pseudonym)

    def _type_of(self, names: ShapeNames) -> EventType:
        return self._state.types[names[0] or ""]
