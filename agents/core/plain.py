"""The shape of a plain event as msgspec reads it, and many records read at once.

Constraints here only say what is surely right; whatever they do not hold for is in doubt, and read strictly.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from agents.core.records import RawRecord
from agents.core.strict_json import too_deep
from schemas.catalogue.fields import FieldType
from schemas.catalogue.types import EVENT_TYPES
from schemas.limits import MAX_DEPTH, MAX_NAME_BYTES, MAX_RECORD_BYTES, MAX_SEQUENCE
from schemas.times import parse_tail, parse_time

__all__ = ["NO_DATA", "PlainData", "PlainEvent", "is_small", "parse_plain", "plain_sequence", "plain_time"]

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_BYTES // 4)]
"""So few characters cannot be too many bytes, whatever they are."""
_BLOCK: Final = 256
_SHALLOW_BYTES: Final = 5 * MAX_DEPTH
"""An object in an object takes five bytes at least, so a shorter record without arrays is not too deep."""
_REMEMBERED: Final = 20_000
_REMEMBERED_CHARS: Final = 40
_MINUTE: Final = 16
_SECOND: Final = 19
_SURE_DIGITS: Final = 18


_AS_JSON: Final[dict[FieldType, Any]] = {FieldType.INT: int, FieldType.BOOL: bool, FieldType.ITEMS: list[Any]}
"""What msgspec is to read of fields that are no text."""


def _declared() -> dict[str, Any]:
    """What each declared field of ``data`` is in JSON; what else its type says of it, the reader checks."""
    found: dict[str, Any] = {}
    for entry in EVENT_TYPES.values():
        for field in entry.fields:
            kind = _AS_JSON.get(field.type, str)
            found[field.name] = found[field.name] | kind if field.name in found else kind
    return found


PlainData: Any = msgspec.defstruct(
    "PlainData",
    [("user", _Name | None, None), *((name, kind | None, None) for name, kind in _declared().items())],
    gc=False,
)
"""Every field of ``data`` that may decide or be counted, each None where it is absent."""


class PlainEvent(msgspec.Struct, gc=False):
    """The attributes of an event; what is not checked here, the reader checks."""

    specversion: Literal["1.0"]
    id: _Name
    source: _Name
    type: str
    company: str
    time: str
    sequence: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQUENCE)] | str | None = None
    installation: _Name | None = None
    data: PlainData | None = None


NO_DATA: Final = PlainData()
_lines = msgspec.json.Decoder(PlainEvent).decode_lines
_minutes: dict[str, int] = {}
_seconds: dict[str, int] = {f":{second:02}": second * 1000 for second in range(60)}
_tails: dict[str, int] = {}


def is_small(size: int) -> bool:
    """Whether a value of so many bytes leaves a record within its limit, whatever its key is."""
    return size + 4096 <= MAX_RECORD_BYTES


def parse_plain(records: Sequence[RawRecord]) -> list[PlainEvent | None]:
    """The event of each record that surely holds one alone; None for every record that is to be read by itself."""
    found: list[PlainEvent | None] = []
    for begin in range(0, len(records), _BLOCK):
        found += _parse([record.value or b"" for record in records[begin : begin + _BLOCK]])
    return found


def _parse(values: Sequence[bytes]) -> Sequence[PlainEvent | None]:
    """All at once; where that fails, each half by itself."""
    # With a brace at each end of each line no value can reach past its line, so as many as lines is one a line.
    if all([value[:1] == b"{" and value[-1:] == b"}" for value in values]):  # noqa: C419 - faster than a generator
        text = b"\n".join(values)
        if is_small(len(text)) and not _may_be_deep(values, text):
            try:
                if not text.isascii():
                    text.decode()
                events = _lines(text)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                events = []
            if len(events) == len(values):
                return events
    if len(values) == 1:
        return [None]
    middle = len(values) // 2
    return [*_parse(values[:middle]), *_parse(values[middle:])]


def _may_be_deep(values: Sequence[bytes], text: bytes) -> bool:
    if b"[" not in text and max(map(len, values)) < _SHALLOW_BYTES:
        return False
    return any(too_deep(value) for value in values)


def plain_time(text: str) -> int:
    """As :func:`schemas.envelope.parse_time`, remembering the parts of which times are made."""
    try:
        return _minutes[text[:_MINUTE]] + _seconds[text[_MINUTE:_SECOND]] + _tails[text[_SECOND:]]
    except KeyError:
        return _learn_time(text)


def _learn_time(text: str) -> int:
    time = parse_time(text)
    # No offset leads out of the years that are allowed; a tail is as long as its producer likes.
    if "2001" <= text[:4] <= "2998" and len(text) <= _REMEMBERED_CHARS:
        if len(_minutes) >= _REMEMBERED:
            _minutes.clear()
        if len(_tails) >= _REMEMBERED:
            _tails.clear()
        _minutes[text[:_MINUTE]] = parse_time(f"{text[:_MINUTE]}:00Z")
        _tails[text[_SECOND:]] = parse_tail(text[_SECOND:])
    return time


def plain_sequence(text: str) -> int | None:
    """The number in a sequence that is text; None where that is in doubt."""
    if text.isdigit() and text.isascii() and len(text) <= _SURE_DIGITS and (text[0] != "0" or text == "0"):
        return int(text)
    return None
