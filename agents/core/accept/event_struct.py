"""The shape of an event as msgspec reads it, made of the catalogue, and times read fast.

Constraints here only say what is surely right; whatever they do not hold for is in doubt, and read strictly.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from schemas.catalogue.fields import FieldType
from schemas.catalogue.types import EventType
from schemas.limits import MAX_NAME_BYTES, MAX_SEQUENCE
from schemas.times import parse_tail, parse_time

__all__ = ["event_struct", "parse_usual_time"]

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_BYTES // 4)]
"""So few characters cannot be too many bytes, whatever they are."""
_REMEMBERED: Final = 20_000
_REMEMBERED_CHARS: Final = 40
_MINUTE: Final = 16
_SECOND: Final = 19
_AS_JSON: Final[Mapping[FieldType, Any]] = {FieldType.INT: int, FieldType.BOOL: bool, FieldType.ITEMS: list[Any]}
"""What msgspec is to read of fields that are no text."""
_minutes: dict[str, int] = {}
_seconds: dict[str, int] = {f":{second:02}": second * 1000 for second in range(60)}
_tails: dict[str, int] = {}


def event_struct(types: Mapping[str, EventType]) -> tuple[Any, Any]:
    """A struct of the attributes of an event, and ``data`` with nothing in it.

    ``data`` is a struct with ``user`` and whatever field any of the types declares, None where it is absent; what a
    field may hold beyond its kind of JSON, the reader checks.
    """
    fields: dict[str, Any] = {}
    for entry in types.values():
        for field in entry.fields:
            kind = _AS_JSON.get(field.type, str)
            fields[field.name] = fields[field.name] | kind if field.name in fields else kind
    optional = [(name, kind | None, None) for name, kind in fields.items()]
    data: Any = msgspec.defstruct("PlainData", [("user", _Name | None, None), *optional], gc=False)
    event = msgspec.defstruct(
        "PlainEvent",
        [
            ("specversion", Literal["1.0"]),
            ("id", _Name),
            ("source", _Name),
            ("type", str),
            ("company", str),
            ("time", str),
            ("sequence", Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQUENCE)] | str | None, None),
            ("installation", _Name | None, None),
            ("data", data | None, None),
        ],
        gc=False,
    )
    return event, data()


def parse_usual_time(text: str) -> int:
    """As :func:`schemas.wire.envelope.parse_time`, remembering the parts of which times are made."""
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
