"""A raw record read fast: good events all at once, everything else by hand; to the verdict of the authority.

Whatever msgspec takes here :func:`agents.core.accept.decode.decode_strictly` reads alike: it was seen to hold to the
grammar of RFC 8259 also in what it skips, save that it does not look for UTF-8 there. A record that it does not take (a
refusal, a rare spelling) is parsed strictly, and each event looked at by :mod:`agents.core.accept.form`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

import msgspec

from agents.core.accept.decode import record_bytes
from agents.core.accept.event_struct import event_struct, parse_usual_time
from agents.core.accept.form import Fault, FormCheck, is_company
from agents.core.accept.shapes import Shapes
from agents.core.accept.strict_json import NotJsonError, parse, too_deep
from agents.core.shared.records import Decoded, Event, RawRecord, Refusal
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.types import CONSENT, EventType
from schemas.limits import MAX_DEPTH, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.reasons import Reason
from schemas.wire.envelope import parse_sequence

__all__ = ["AT_ONCE", "FastDecoder", "decode", "reader_of"]

_LEAST_EVENT: Final = MAX_DEPTH
"""A value of fewer bytes is neither an event nor too deep."""
_TOO_LARGE, _NOT_JSON = (Decoded((Refusal(None, reason, ""),)) for reason in (Reason.TOO_LARGE, Reason.NOT_JSON))


class _DoubtError(Exception):
    """Not for the fast path."""


class FastDecoder:
    """Reads events of the types of one catalogue."""

    __slots__ = ("_look", "_look_through", "_no_data", "_parse", "_refused", "_types", "shapes")

    def __init__(self, types: Mapping[str, EventType]) -> None:
        look = FormCheck(types)
        event, self._no_data = event_struct(types)
        self.shapes = Shapes(types)
        self._types = types
        self._look, self._look_through = look.look, look.look_through
        self._parse = msgspec.json.Decoder(event | list[event]).decode  # type: ignore[valid-type]
        self._refused: dict[Fault, Decoded] = {}
        """Single events by their fault, of which there are few."""

    def decode(self, record: RawRecord) -> Decoded:
        """Every event of the record, or why not, in raw order; never raises."""
        value, key = record.value or b"", record.key or b""
        size = len(value)
        if (record.headers or size + len(key) > MAX_RECORD_BYTES) and record_bytes(record) > MAX_RECORD_BYTES:
            return _TOO_LARGE
        if size < _LEAST_EVENT:
            return self._decode_any(value) if value else _NOT_JSON
        if too_deep(value):
            return _TOO_LARGE
        return (self._decode_good(value) if value[0] in b"{[" else None) or self._decode_any(value)

    def _decode_good(self, value: bytes) -> Decoded | None:
        """Of a value in which every event is good and spelled as most are; None of any other."""
        try:
            if not value.isascii():
                value.decode()
            content = self._parse(value)
            if type(content) is not list:
                return Decoded((self._event(content, None),))
            if len(content) > MAX_EVENTS:
                return _TOO_LARGE
            return Decoded(tuple([self._event(raw, index) for index, raw in enumerate(content)]))
        except (msgspec.MsgspecError, ValueError, RecursionError, _DoubtError):
            return None

    def _decode_any(self, value: bytes) -> Decoded:
        try:
            content = parse(value)
        except NotJsonError:
            return _NOT_JSON
        if type(content) is list:
            return Decoded(tuple(self._look_through(content))) if len(content) <= MAX_EVENTS else _TOO_LARGE
        found = self._look(content, None)
        if isinstance(found, Event):
            return Decoded((found,))
        decoded = self._refused.get(found)
        if decoded is None:
            decoded = self._refused[found] = Decoded((Refusal(None, *found),))
        return decoded

    def _event(self, raw: Any, index: int | None) -> Event:
        data = raw.data or self._no_data
        entry = self._types.get(raw.type)
        if entry is None or not is_company(raw.company) or raw.source[0] == "#" or (raw.installation or "i")[0] == "#":
            raise _DoubtError
        values = tuple([getattr(data, name) for name in entry.allowed])
        if not self.shapes.is_known(raw.type, values) or not (entry.is_shape or self.shapes.may_hold(raw.type, data)):
            raise _DoubtError
        sequence = raw.sequence
        return Event(
            index,
            raw.id,
            raw.source,
            raw.type,
            raw.company,
            parse_usual_time(raw.time),
            parse_sequence(sequence) if isinstance(sequence, str) else sequence,
            raw.source if raw.installation is None else raw.installation,
            data.user,
            values if None not in values else entry.filled(values),
            (data.scope, data.granted) if raw.type == CONSENT else None,
            entry.amounts([getattr(data, name) for name in entry.measured]) if entry.measured else (),
        )


@lru_cache(maxsize=16)
def reader_of(catalogue: Catalogue) -> FastDecoder:
    """The reader of events of a catalogue, one for all partitions."""
    return FastDecoder(catalogue.accepted)


decode: Final = reader_of(BUILT_IN).decode
"""Of the built-in types."""
_LOOK: Final = FormCheck(BUILT_IN.types).look
_NO_EVENT: Final = cast("tuple[Fault, ...]", (_LOOK(0, None), _LOOK({}, None)))
AT_ONCE: Final = ((Reason.NOT_JSON, ""), *_NO_EVENT, *((reason, f"/0{at}") for reason, at in _NO_EVENT))
"""Reason and path where the compiled part tells a short value that is no event, by what it tells (``short.h``)."""
