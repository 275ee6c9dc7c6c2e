"""The raw event as a producer sends it (design 1.2): the authority on what is well-formed.

The hot path decodes otherwise (:mod:`agents.core.fast_decode`) and may only accept what this accepts.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.events import EVENT_TYPES, Name
from schemas.limits import COMPANY_PATTERN, MAX_SEQUENCE, MAX_YEAR, MIN_YEAR

__all__ = ["Envelope", "UnknownTypeError", "parse_sequence", "parse_tail", "parse_time", "raw_event_schema"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)
_FIRST = (dt.datetime(MIN_YEAR, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _SECOND * 1000
_END = (dt.datetime(MAX_YEAR + 1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _SECOND * 1000
_HEAD = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)", re.ASCII)
_TAIL = re.compile(r"(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
_SEQUENCE = re.compile(r"0|[1-9][0-9]{0,18}")
_HEAD_LENGTH = len("2026-11-01T10:12:03")


class UnknownTypeError(ValueError):
    """An event type that is not in the catalogue: the contract calls that ``unknown-type``."""


def parse_tail(text: str) -> int:
    """Milliseconds that the part after the seconds (``.123+02:00``) adds to the UTC time; ValueError if malformed."""
    tail = _TAIL.fullmatch(text)
    if tail is None:
        raise ValueError("not an RFC 3339 time")
    fraction, sign, hours, minutes = tail.groups()
    milliseconds = int(fraction[:3].ljust(3, "0")) if fraction else 0
    if sign is None:
        return milliseconds
    offset = (int(hours) * 60 + int(minutes)) * 60_000
    return milliseconds - offset if sign == "+" else milliseconds + offset


def parse_time(text: str) -> int:
    """Milliseconds since 1970 UTC of an RFC 3339 time, further digits cut off.

    Raises ValueError where it is none, has no offset, has a leap second or lies outside the UTC years
    2000 to 2999; the message holds nothing of ``text``.
    """
    head = _HEAD.fullmatch(text, 0, _HEAD_LENGTH)
    if head is None:
        raise ValueError("not an RFC 3339 time")
    year, month, day, hour, minute, second = map(int, head.groups())
    moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    time = (moment - _EPOCH) // _SECOND * 1000 + parse_tail(text[_HEAD_LENGTH:])
    if not _FIRST <= time < _END:
        raise ValueError("year out of range")
    return time


def parse_sequence(value: int | str) -> int:
    """The number of a sequence, an integer or decimal text; ValueError (without the text) if it is none."""
    if isinstance(value, str):
        if not _SEQUENCE.fullmatch(value):
            raise ValueError("not a decimal number")
        value = int(value)
    if not 0 <= value <= MAX_SEQUENCE:
        raise ValueError("out of range")
    return value


def _is_time(value: str) -> str:
    parse_time(value)
    return value


def _is_sequence(value: int | str) -> int | str:
    parse_sequence(value)
    return value


def _has_base(value: str) -> str:
    if value.startswith("#"):
        raise ValueError("nothing before the incarnation")
    return value


def _is_known(value: str) -> str:
    if value not in EVENT_TYPES:
        raise UnknownTypeError
    return value


SourceName = Annotated[Name, AfterValidator(_has_base)]
"""A source; what follows its first ``#`` is its incarnation, and something stands before that."""
TypeName = Annotated[
    str, StringConstraints(min_length=1), AfterValidator(_is_known), Field(json_schema_extra={"enum": [*EVENT_TYPES]})
]
SequenceText = Annotated[str, StringConstraints(pattern=f"^({_SEQUENCE.pattern})$")]
Sequence = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SEQUENCE)] | SequenceText,
    AfterValidator(_is_sequence),
]
Time = Annotated[str, AfterValidator(_is_time), Field(json_schema_extra={"format": "date-time"})]


class Envelope(BaseModel):
    """A CloudEvents 1.0 event in JSON; ``data`` is judged by the class of its type in :data:`EVENT_TYPES`.

    Unknown attributes are dropped, and an attribute that is null is absent.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: Name
    source: SourceName
    type: TypeName
    company: Annotated[str, StringConstraints(pattern=f"^{COMPANY_PATTERN}$")]
    sequence: Sequence | None = None
    installation: SourceName | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    time: Time

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value


def raw_event_schema() -> dict[str, Any]:
    """The JSON Schema of a raw event: the envelope, and for each type its data."""
    schema = Envelope.model_json_schema()
    schema["allOf"] = [
        {
            "if": {"properties": {"type": {"const": entry.name}}, "required": ["type"]},
            "then": {"properties": {"data": entry.data.model_json_schema()}} | _required_data(entry.data),
        }
        for entry in EVENT_TYPES.values()
    ]
    return schema


def _required_data(data: type[BaseModel]) -> dict[str, Any]:
    needed = any(field.is_required() for field in data.model_fields.values())
    return {"required": ["data"]} if needed else {}
