"""A raw record read fast: good events all at once, everything else by hand; to the verdict of the authority.

Whatever msgspec takes here :func:`agents.core.decode.decode_strictly` reads alike: it was seen to hold to the grammar
of RFC 8259 also in what it skips, save that it does not look for UTF-8 there. Where it takes a record not (a refusal, a
rare spelling), that is parsed strictly, and each event looked at by :mod:`agents.core.cheap_look`.
"""

from typing import Final, cast

import msgspec

from agents.core.cheap_look import Fault, is_company, look, look_through
from agents.core.decode import record_bytes
from agents.core.plain import NO_DATA, PlainEvent, plain_time
from agents.core.records import Decoded, Event, RawRecord, Refusal
from agents.core.strict_json import NotJsonError, parse, too_deep
from schemas.catalogue.fields import Check, Field
from schemas.catalogue.types import CONSENT, EVENT_TYPES
from schemas.envelope import parse_sequence
from schemas.limits import MAX_DEPTH, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.reasons import Reason

__all__ = ["AT_ONCE", "decode", "is_known_shape"]

_REMEMBERED: Final = 20_000
_LEAST_EVENT: Final = MAX_DEPTH
"""A value of fewer bytes is neither an event nor too deep."""


def _may_hold(field: Field) -> Check:
    """Whether the field of a good event may hold a value, None where it is absent."""
    check = field.check()
    return check if field.required else lambda value: value is None or check(value)


_CHECKS: Final = {kind: [_may_hold(each) for each in entry.dimensions] for kind, entry in EVENT_TYPES.items()}
_DROPPED: Final = {
    kind: [(each.name, _may_hold(each)) for each in entry.fields if each not in entry.dimensions]
    for kind, entry in EVENT_TYPES.items()
    if not entry.is_plain
}
"""Checks of the fields that do not pass on, of the types that have any."""
_TOO_LARGE, _NOT_JSON = (Decoded((Refusal(None, reason, ""),)) for reason in (Reason.TOO_LARGE, Reason.NOT_JSON))
_NO_EVENT: Final = cast("tuple[Fault, ...]", (look(0, None), look({}, None)))
AT_ONCE: Final = ((Reason.NOT_JSON, ""), *_NO_EVENT, *((reason, f"/0{at}") for reason, at in _NO_EVENT))
"""Reason and path where the compiled part tells a short value that is no event, by what it tells (``short.h``)."""


class _DoubtError(Exception):
    """Not for the fast path."""


_parse = msgspec.json.Decoder(PlainEvent | list[PlainEvent]).decode
_shapes: set[tuple[str, tuple[str | None, ...]]] = set()
_refused: dict[Fault, Decoded] = {}
"""Single events by their fault, of which there are few."""


def decode(record: RawRecord) -> Decoded:
    """Every event of the record, or why not, in raw order; never raises."""
    value, key = record.value or b"", record.key or b""
    size = len(value)
    if (record.headers or size + len(key) > MAX_RECORD_BYTES) and record_bytes(record) > MAX_RECORD_BYTES:
        return _TOO_LARGE
    if size < _LEAST_EVENT:
        return _decode_any(value) if value else _NOT_JSON
    if too_deep(value):
        return _TOO_LARGE
    return (_decode_good(value) if value[0] in b"{[" else None) or _decode_any(value)


def _decode_good(value: bytes) -> Decoded | None:
    """Of a value in which every event is good and spelled as most are; None of any other."""
    try:
        if not value.isascii():
            value.decode()
        content = _parse(value)
        if isinstance(content, PlainEvent):
            return Decoded((_event(content, None),))
        if len(content) > MAX_EVENTS:
            return _TOO_LARGE
        return Decoded(tuple([_event(raw, index) for index, raw in enumerate(content)]))
    except (msgspec.MsgspecError, ValueError, RecursionError, _DoubtError):
        return None


def _decode_any(value: bytes) -> Decoded:
    try:
        content = parse(value)
    except NotJsonError:
        return _NOT_JSON
    if type(content) is list:
        return Decoded(tuple(look_through(content))) if len(content) <= MAX_EVENTS else _TOO_LARGE
    found = look(content, None)
    if isinstance(found, Event):
        return Decoded((found,))
    decoded = _refused.get(found)
    if decoded is None:
        decoded = _refused[found] = Decoded((Refusal(None, *found),))
    return decoded


def _event(raw: PlainEvent, index: int | None) -> Event:
    data = raw.data or NO_DATA
    entry = EVENT_TYPES.get(raw.type)
    if entry is None or not is_company(raw.company) or raw.source[0] == "#" or (raw.installation or "i")[0] == "#":
        raise _DoubtError
    values = tuple([getattr(data, name) for name in entry.allowed])
    if not is_known_shape(raw.type, values):
        raise _DoubtError
    if not entry.is_plain and not all(check(getattr(data, name)) for name, check in _DROPPED[raw.type]):
        raise _DoubtError
    sequence = raw.sequence
    return Event(
        index,
        raw.id,
        raw.source,
        raw.type,
        raw.company,
        plain_time(raw.time),
        parse_sequence(sequence) if isinstance(sequence, str) else sequence,
        raw.source if raw.installation is None else raw.installation,
        data.user,
        entry.filled(values),
        (data.scope, data.granted) if raw.type == CONSENT else None,
    )


def is_known_shape(kind: str, values: tuple[str | None, ...]) -> bool:
    """Whether an event of this type may have these allowed values."""
    if (kind, values) in _shapes:
        return True
    if not all(check(value) for check, value in zip(_CHECKS[kind], values, strict=True)):
        return False
    if len(_shapes) >= _REMEMBERED:
        _shapes.clear()
    _shapes.add((kind, values))
    return True
