"""A raw record read fast: accepts most good records, and hands over everything else.

Whatever is accepted here :func:`agents.core.decode.decode_strictly` reads alike; where anything is in doubt
(a refusal, a rare spelling, bytes that are not UTF-8) the strict path decides. msgspec was seen to hold to
the grammar of RFC 8259 also in what it skips, save that it does not look for UTF-8 there.
"""

import re
from typing import Final

import msgspec

from agents.core.decode import decode_strictly
from agents.core.plain import NO_DATA, PlainData, PlainEvent, is_small, plain_time
from agents.core.records import Decoded, Event, RawRecord
from agents.core.strict_json import too_deep
from schemas.envelope import parse_sequence
from schemas.events import EVENT_TYPES
from schemas.limits import COMPANY_PATTERN, DIMENSION_PATTERN, MAX_EVENTS

__all__ = ["decode", "is_company", "is_known_shape"]

_is_company: Final = re.compile(COMPANY_PATTERN).fullmatch
_is_dimension: Final = re.compile(DIMENSION_PATTERN).fullmatch
_ENUMS: Final = {"role": {"user", "assistant"}, "sentiment": {"positive", "negative"}}
_SCOPES: Final = ("platform", "app")
_REMEMBERED: Final = 20_000


class _DoubtError(Exception):
    """Not for the fast path."""


_parse = msgspec.json.Decoder(PlainEvent | list[PlainEvent]).decode
_companies: set[str] = set()
_shapes: set[tuple[str, tuple[str | None, ...]]] = set()


def decode(record: RawRecord) -> Decoded:
    """Every event of the record, or why not, in raw order; never raises."""
    value = record.value
    if not value or not is_small(len(value)) or record.headers or too_deep(value):
        return decode_strictly(record)
    try:
        if not value.isascii():
            value.decode()
        content = _parse(value)
        if isinstance(content, PlainEvent):
            return Decoded((_event(content, None),))
        if len(content) > MAX_EVENTS:
            return decode_strictly(record)
        return Decoded(tuple([_event(raw, index) for index, raw in enumerate(content)]))
    except (msgspec.MsgspecError, ValueError, RecursionError, _DoubtError):
        return decode_strictly(record)


def _event(raw: PlainEvent, index: int | None) -> Event:
    data = raw.data or NO_DATA
    entry = EVENT_TYPES.get(raw.type)
    if entry is None or not is_company(raw.company) or raw.source[0] == "#" or (raw.installation or "i")[0] == "#":
        raise _DoubtError
    values = tuple([getattr(data, name) for name in entry.allowed])
    if not is_known_shape(raw.type, values):
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
        values,
        _consent(data) if raw.type == "consent.changed" else None,
    )


def is_company(name: str) -> bool:
    """Whether a company may have this name."""
    if name in _companies:
        return True
    if not _is_company(name):
        return False
    if len(_companies) >= _REMEMBERED:
        _companies.clear()
    _companies.add(name)
    return True


def is_known_shape(kind: str, values: tuple[str | None, ...]) -> bool:
    """Whether an event of this type may have these allowed values."""
    if (kind, values) in _shapes:
        return True
    for name, value in zip(EVENT_TYPES[kind].allowed, values, strict=True):
        if value is None or not (value in _ENUMS[name] if name in _ENUMS else _is_dimension(value)):
            return False
    if len(_shapes) >= _REMEMBERED:
        _shapes.clear()
    _shapes.add((kind, values))
    return True


def _consent(data: PlainData) -> tuple[str, bool]:
    if data.scope not in _SCOPES or data.granted is None:
        raise _DoubtError
    return data.scope, data.granted
