"""A raw record read fast: accepts most good records, and hands over everything else.

Whatever is accepted here :func:`agents.core.decode.decode_strictly` reads alike; where anything is in doubt
(a refusal, a rare spelling, bytes that are not UTF-8) the strict path decides. msgspec was seen to hold to
the grammar of RFC 8259 also in what it skips, save that it does not look for UTF-8 there.
"""

import re
from typing import Final

import msgspec

from agents.core.decode import decode_strictly
from agents.core.records import Decoded, Event, RawRecord
from agents.core.strict_json import too_deep
from schemas.envelope import parse_sequence, parse_tail, parse_time
from schemas.events import EVENT_TYPES
from schemas.limits import (
    COMPANY_PATTERN,
    DIMENSION_PATTERN,
    MAX_EVENTS,
    MAX_NAME_BYTES,
    MAX_RECORD_BYTES,
    MAX_SEQUENCE,
)

__all__ = ["decode"]

_is_company: Final = re.compile(COMPANY_PATTERN).fullmatch
_is_dimension: Final = re.compile(DIMENSION_PATTERN).fullmatch
_ENUMS: Final = {"role": {"user", "assistant"}, "sentiment": {"positive", "negative"}}
_SCOPES: Final = ("platform", "app")
_SURE_CHARS: Final = MAX_NAME_BYTES // 4
"""A name of so many characters cannot be too long, whatever they are."""
_REMEMBERED: Final = 20_000
_SECONDS: Final = 19


class _DoubtError(Exception):
    """Not for the fast path."""


class _Data(msgspec.Struct, gc=False):
    user: str | None = None
    kind: str | None = None
    role: str | None = None
    assistant: str | None = None
    module: str | None = None
    sentiment: str | None = None
    application: str | None = None
    version: str | None = None
    environment: str | None = None
    scope: str | None = None
    granted: bool | None = None


class _Raw(msgspec.Struct, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    company: str
    time: str
    sequence: int | float | str | None = None
    installation: str | None = None
    data: _Data | None = None


_parse = msgspec.json.Decoder(_Raw | list[_Raw]).decode
_NO_DATA: Final = _Data()
_seconds: dict[str, int] = {}
_companies: set[str] = set()
_shapes: set[tuple[str, tuple[str | None, ...]]] = set()


def decode(record: RawRecord) -> Decoded:
    """Every event of the record, or why not, in raw order; never raises."""
    value = record.value
    if not value or len(value) + 4096 > MAX_RECORD_BYTES or record.headers or too_deep(value):
        return decode_strictly(record)
    try:
        if not value.isascii():
            value.decode()
        content = _parse(value)
        if isinstance(content, _Raw):
            return Decoded((_event(content, None),))
        if len(content) > MAX_EVENTS:
            return decode_strictly(record)
        return Decoded(tuple([_event(raw, index) for index, raw in enumerate(content)]))
    except (msgspec.MsgspecError, ValueError, RecursionError, _DoubtError):
        return decode_strictly(record)


def _event(raw: _Raw, index: int | None) -> Event:
    data = raw.data or _NO_DATA
    entry = EVENT_TYPES.get(raw.type)
    installation = raw.source if raw.installation is None else raw.installation
    user = data.user
    if raw.specversion != "1.0" or entry is None or not (raw.id and raw.source and installation) or user == "":
        raise _DoubtError
    if len(raw.id) > _SURE_CHARS or len(raw.source) > _SURE_CHARS or len(installation) > _SURE_CHARS:
        raise _DoubtError
    if user is not None and len(user) > _SURE_CHARS:
        raise _DoubtError
    if raw.company not in _companies:
        _learn_company(raw.company)
    values = tuple([getattr(data, name) for name in entry.allowed])
    if values and (raw.type, values) not in _shapes:
        _learn_shape(raw.type, entry.allowed, values)
    sequence = raw.sequence
    if type(sequence) is not int:
        sequence = _sequence(sequence)
    elif not 0 <= sequence <= MAX_SEQUENCE:
        raise _DoubtError
    return Event(
        index,
        raw.id,
        raw.source,
        raw.type,
        raw.company,
        _time(raw.time),
        sequence,
        installation,
        user,
        values,
        _consent(data) if raw.type == "consent.changed" else None,
    )


def _time(text: str) -> int:
    known = _seconds.get(text[:_SECONDS])
    if known is None:
        known = parse_time(text[:_SECONDS] + "Z")
        if len(_seconds) >= _REMEMBERED:
            _seconds.clear()
        _seconds[text[:_SECONDS]] = known
    if text[_SECONDS:] == "Z":
        return known
    moment = known + parse_tail(text[_SECONDS:])
    if text[-1] in "Zz":
        return moment
    return parse_time(text)


def _sequence(sequence: float | str | None) -> int | None:
    if sequence is None:
        return None
    if isinstance(sequence, str):
        return parse_sequence(sequence)
    raise _DoubtError


def _learn_company(company: str) -> None:
    if not _is_company(company):
        raise _DoubtError
    if len(_companies) >= _REMEMBERED:
        _companies.clear()
    _companies.add(company)


def _learn_shape(kind: str, names: tuple[str, ...], values: tuple[str | None, ...]) -> None:
    for name, value in zip(names, values, strict=True):
        if value is None or not (value in _ENUMS[name] if name in _ENUMS else _is_dimension(value)):
            raise _DoubtError
    if len(_shapes) >= _REMEMBERED:
        _shapes.clear()
    _shapes.add((kind, values))


def _consent(data: _Data) -> tuple[str, bool]:
    if data.scope not in _SCOPES or data.granted is None:
        raise _DoubtError
    return data.scope, data.granted
