"""Values for the fields of event types that are not built in, as the catalogue declares them."""

import random
from collections.abc import Sequence
from typing import Any, Final

from schemas.catalogue.fields import MOST_INT, Field, FieldType
from schemas.catalogue.types import EventType
from schemas.times import instant

__all__ = ["made_data"]

_WORDS: Final = ("alpha", "beta", "gamma", "delta")
_MOST_ITEMS: Final = 3


def made_data(rng: random.Random, entry: EventType, time: int) -> dict[str, Any]:
    """``data`` of an event of this type at ``time`` (ms); what may be absent is now and then."""
    return _members(rng, entry.fields, time)


def _members(rng: random.Random, fields: Sequence[Field], time: int) -> dict[str, Any]:
    return {field.name: _value(rng, field, time) for field in fields if field.required or rng.random() < 0.7}


def _value(rng: random.Random, field: Field, time: int) -> Any:
    kind = field.type
    if kind is FieldType.CHOICE:
        return rng.choice(field.choices)
    if kind is FieldType.INT:
        return min(MOST_INT, int(rng.paretovariate(0.6) * 100))
    if kind is FieldType.BOOL:
        return rng.random() < 0.7
    if kind is FieldType.TIME:
        return instant(time)
    if kind is FieldType.ITEMS:
        return [_item(rng, field, time) for _ in range(rng.randrange(_MOST_ITEMS))]
    digits = {FieldType.NAME: 32, FieldType.FINGERPRINT: 8}.get(kind)
    return rng.choice(_WORDS) if digits is None else f"{rng.getrandbits(4 * digits):0{digits}x}"


def _item(rng: random.Random, field: Field, time: int) -> dict[str, Any]:
    made = rng.choice(field.classes)
    return ({"class": made.name} if made.name else {}) | _members(rng, made.fields, time)
