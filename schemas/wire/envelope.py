"""The raw event as a producer sends it (design 1.2): the authority on what is well-formed.

The hot path decodes otherwise (:mod:`agents.core.accept.fast_decode`) and may only accept what this accepts.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.models import Name, StrictObject
from schemas.limits import COMPANY_PATTERN, MAX_SEQUENCE
from schemas.times import parse_time

__all__ = ["Envelope", "parse_sequence", "raw_event_schema"]

_SEQUENCE = re.compile(r"0|[1-9][0-9]{0,18}")


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


SourceName = Annotated[Name, AfterValidator(_has_base)]
"""A source; what follows its first ``#`` is its incarnation, and something stands before that."""
SequenceText = Annotated[str, StringConstraints(pattern=f"^({_SEQUENCE.pattern})$")]
Sequence = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SEQUENCE)] | SequenceText,
    AfterValidator(_is_sequence),
]
Time = Annotated[str, AfterValidator(_is_time), Field(json_schema_extra={"format": "date-time"})]


class Envelope(StrictObject):
    """A CloudEvents 1.0 event in JSON; whether its type is known, and what ``data`` may hold, the catalogue says.

    Unknown attributes are dropped, and an attribute that is null is absent.
    """

    specversion: Literal["1.0"]
    id: Name
    source: SourceName
    type: Annotated[str, StringConstraints(min_length=1)]
    company: Annotated[str, StringConstraints(pattern=f"^{COMPANY_PATTERN}$")]
    sequence: Sequence | None = None
    installation: SourceName | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    time: Time


def raw_event_schema(catalogue: Catalogue = BUILT_IN) -> dict[str, Any]:
    """The JSON Schema of a raw event: the envelope, and for each type its data."""
    schema = Envelope.model_json_schema()
    kinds = schema["properties"]
    kinds["type"] = {"enum": [*catalogue.types], **kinds["type"]}
    schema["allOf"] = [
        {
            "if": {"properties": {"type": {"const": entry.name}}, "required": ["type"]},
            "then": {"properties": {"data": entry.data.model_json_schema()}} | _required_data(entry.data),
        }
        for entry in catalogue.types.values()
    ]
    return schema


def _required_data(data: type[BaseModel]) -> dict[str, Any]:
    needed = any(field.is_required() for field in data.model_fields.values())
    return {"required": ["data"]} if needed else {}
