"""The first fold's plain part: events in which nothing is out of the ordinary, one after the other, fast.

It takes an event only where it is sure of everything that the record-wise fold would decide, and leaves no trace of
one that it does not take; a property test holds that both come to the same chunk and the same state. It takes single
events alone; :mod:`agents.core.compiled_run`, where it is built, takes batches too.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from agents.core.fast_decode import is_known_shape
from agents.core.plain import NO_DATA, parse_plain, plain_sequence, plain_time
from agents.core.raw_state import CHUNK_BYTES, RawState
from agents.core.records import RawRecord
from agents.core.source import NO_TIME, Source
from schemas.catalogue.types import EVENT_TYPES, Basis
from schemas.limits import HOUR_MS
from schemas.names import Pseudonym

__all__ = ["PlainRun"]


class _Company:
    """A company at home in this partition.

    ``number`` is its column in the chunk, -1 before its first event; from that on ``count`` enters it in the books.
    """

    __slots__ = ("count", "name", "number", "sources", "users")

    count: Callable[[int], None]

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = -1
        self.sources: dict[str, _Installed] = {}
        self.users: dict[str, int] = {}


class _Installed:
    __slots__ = ("number", "pseudonym", "source")

    def __init__(self, source: Source, pseudonym: Pseudonym) -> None:
        self.source = source
        self.pseudonym = pseudonym
        self.number = -1


class _Shape:
    __slots__ = ("active", "always", "number", "type", "unless_refused", "values")

    def __init__(self, kind: str, values: tuple[str, ...]) -> None:
        entry = EVENT_TYPES[kind]
        self.type = kind
        self.values = values
        self.number = -1
        self.active = entry.activates(values)
        self.always = entry.basis is Basis.CONTRACT
        self.unless_refused = entry.basis is Basis.OPT_OUT


def _reader(names: tuple[str, ...]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda _data: None


_READERS: Final = {kind.name: _reader(kind.allowed) for kind in EVENT_TYPES.values() if kind.is_plain}
"""What of ``data`` tells a shape from others, of every type of which that is all."""


class PlainRun:
    """The plain part of one chunk; what it remembers holds for that chunk alone."""

    def __init__(self, state: RawState, records: Sequence[RawRecord]) -> None:
        self._state = state
        self._records = records
        self._events = parse_plain(records)
        self._companies: dict[bytes | None, _Company] = {}
        self._shapes: dict[tuple[str, Any], _Shape] = {}

    # One loop over local names: a call for each event, max() too, would cost as much as all the rest of it.
    def run(self, at: int) -> tuple[int, int]:
        """Fold the records from index ``at`` for as long as they are plain.

        Returns the index of the first that was not, and 0: none of its events was taken.
        """
        records, events = self._records, self._events
        if events[at] is None:
            return at, 0
        state, entry, add = self._state, self._state.entry, self._state.builder.add
        companies, shapes, touch = self._companies, self._shapes, self._state.sources.touch
        ahead, lateness = state.deciding.clock_ahead, state.deciding.lateness
        books, hour_end = state.books, state.books.end
        append_time, watermark, closing = entry.append_time, entry.event_watermark, entry.closing_watermark
        silent = not state.consent.any_word
        hours, moved_on = set[int](), dict[bytes, Source]()
        begin, size, end = at, state.size, len(records)
        while at < end:
            event = events[at]
            if event is None:
                break
            record = records[at]
            company = companies.get(record.key) or self._company(record.key)
            if company is None or company.name != event.company or record.headers:
                break
            if event.installation is not None and event.installation[0] == "#":
                break
            try:
                time = plain_time(event.time)
            except ValueError:
                break
            now = record.append_time if record.append_time > append_time else append_time
            if time > now + ahead or time < watermark - lateness or now >= hour_end:
                break
            moved = time if time > watermark else watermark
            installed = company.sources.get(event.source) or self._installed(company, event.source)
            if installed is None or -1 < installed.source.last_time < moved - lateness:
                break
            data = event.data or NO_DATA
            reader = _READERS.get(event.type)
            if reader is None:
                break
            told = reader(data)
            shape = shapes.get((event.type, told)) or self._shape(event.type, told)
            if shape is None or not (shape.always or (silent and shape.unless_refused)):
                break
            source, sequence = installed.source, event.sequence
            if sequence is None:
                grown = state.remember_id(source, company.name, event.id, time)
            else:
                number = sequence if type(sequence) is int else plain_sequence(sequence)  # type: ignore[arg-type]
                grown = 0 if number is None else state.add_sequence(source, number)
            if not grown:
                break
            # Taken: from here on nothing is in doubt.
            size += grown if source.dirty else grown + touch(source)
            if time > source.last_time:
                source.last_time = time
                moved_on[source.key] = source
            if company.number < 0:
                company.number = state.builder.company(company.name)
                size += books.touch_cost(company.name)
                company.count = books.account(company.name).plain.append
            if shape.number < 0:
                shape.number = state.builder.shape(shape.type, shape.values)
            if installed.number < 0:
                installed.number = state.builder.source(installed.pseudonym)
            user = -1
            if data.user is not None:
                known = company.users.get(data.user)
                user = self._user(company, data.user) if known is None else known
            hours.add(time // HOUR_MS * 2 + (shape.active and user >= 0))
            add((record.offset, time, closing, company.number, shape.number, user, installed.number))
            company.count(record.offset)
            append_time, watermark = now, moved
            if moved > closing:
                closing = moved
            at += 1
            if size >= CHUNK_BYTES:
                break
        for source in moved_on.values():
            state.sources.timed(source)
        if at > begin:
            state.took(at - begin, records[at - 1].offset, (append_time, watermark, closing), size, hours)
        return at, 0

    def _company(self, key: bytes | None) -> _Company | None:
        """The company of a key that is at home here."""
        name = self._state.company_of(key) if key else None
        if key is None or name is None:
            return None
        company = self._companies[key] = _Company(name)
        return company

    def _installed(self, company: _Company, name: str) -> _Installed | None:
        """A source that the state knows; of any other the first event is for the record-wise fold."""
        pseudonym = self._state.pseudonyms.source(company.name, name)
        source = self._state.sources.find(company.name.encode() + b"|" + pseudonym)
        if source is None or source.last_time == NO_TIME:
            return None
        installed = company.sources[name] = _Installed(source, Pseudonym(source.base))
        return installed

    def _shape(self, kind: str, told: Any) -> _Shape | None:
        entry = EVENT_TYPES[kind]
        values = () if not entry.allowed else (told,) if len(entry.allowed) == 1 else told
        if not is_known_shape(kind, values):
            return None
        shape = self._shapes[kind, told] = _Shape(kind, entry.filled(values))
        return shape

    def _user(self, company: _Company, name: str) -> int:
        number = company.users[name] = self._state.builder.user(self._state.pseudonyms.user(company.name, name))
        return number
