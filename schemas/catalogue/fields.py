"""The fields of an event's ``data``: what each may hold, declared once (edge 1.2).

A value is JSON as :mod:`json` reads it. ``null`` is absent for every field.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from schemas.limits import DIMENSION_PATTERN
from schemas.times import parse_time

__all__ = ["ABSENT", "MOST_INT", "MOST_ITEMS", "PATTERNS", "Check", "Field", "FieldType", "ItemClass"]

Check = Callable[[object], bool]
MOST_INT: Final = 10**12
"""The greatest whole number that a field may hold; the least is 0."""
MOST_ITEMS: Final = 500
ABSENT: Final = -1
"""Stands for a measure that an event does not hold."""


class FieldType(StrEnum):
    """What a field may hold."""

    DIM = "dim"
    CHOICE = "choice"
    INT = "int"
    BOOL = "bool"
    SERIAL = "serial"
    LICENCE = "licence"
    VERSION = "version"
    TIME = "time"
    NAME = "name"
    ID = "id"
    FINGERPRINT = "fingerprint"
    ITEMS = "items"


_PRINTABLE: Final = "[!-~]([ -~]{0,126}[!-~])?"
PATTERNS: Final[Mapping[FieldType, str]] = {
    FieldType.DIM: DIMENSION_PATTERN,
    FieldType.SERIAL: _PRINTABLE,
    FieldType.LICENCE: _PRINTABLE,
    FieldType.VERSION: r"[A-Za-z0-9._+:~()/ -]{1,64}",
    FieldType.NAME: "[0-9a-f]{32}",
    FieldType.ID: DIMENSION_PATTERN,
    FieldType.FINGERPRINT: "[0-9a-f]{8}",
}
"""What the whole text matches, of the types that are text of some characters."""


@dataclass(frozen=True)
class Field:
    """One field; ``choices`` of a choice, ``classes`` of items.

    A field that may be absent counts as ``absent`` where it is a dimension.
    """

    name: str
    type: FieldType = FieldType.DIM
    choices: tuple[str, ...] = ()
    required: bool = True
    absent: str = "none"
    classes: tuple["ItemClass", ...] = ()

    @property
    def is_dimension(self) -> bool:
        """Whether its value passes on to the clean zone as text."""
        return self.type in {FieldType.DIM, FieldType.CHOICE}

    @property
    def is_measure(self) -> bool:
        """Whether its value passes on to the clean zone as a number."""
        return self.type in {FieldType.INT, FieldType.BOOL}

    def check(self) -> Check:
        """Whether a value that is not null is one that the field takes."""
        kind = self.type
        if kind is FieldType.CHOICE:
            choices = frozenset(self.choices)
            return lambda value: type(value) is str and value in choices
        if kind is FieldType.INT:
            return lambda value: type(value) is int and 0 <= value <= MOST_INT
        if kind is FieldType.BOOL:
            return lambda value: type(value) is bool
        if kind is FieldType.TIME:
            return _is_time
        if kind is FieldType.ITEMS:
            return _check_of_items(self.classes)
        matches = re.compile(PATTERNS[kind]).fullmatch
        return lambda value: type(value) is str and matches(value) is not None

    def facts(self) -> list[Any]:
        """What of it decides whether an event is well-formed and how it counts, as JSON takes it."""
        absent = self.absent if self.is_dimension and not self.required else ""
        return [
            self.name,
            self.type.value,
            self.choices,
            self.required,
            absent,
            [each.facts() for each in self.classes],
        ]


@dataclass(frozen=True)
class ItemClass:
    """One class of the items of a list; each item says its ``name`` as ``class``, but where it is "" and alone."""

    name: str
    fields: tuple[Field, ...]

    def facts(self) -> list[Any]:
        """As :meth:`Field.facts`."""
        return [self.name, [field.facts() for field in self.fields]]


def _is_time(value: object) -> bool:
    if type(value) is not str:
        return False
    try:
        parse_time(value)
    except ValueError:
        return False
    return True


def _check_of_items(classes: Sequence[ItemClass]) -> Check:
    checks = {each.name: [(field.name, field.check(), field.required) for field in each.fields] for each in classes}
    are_named = "" not in checks

    def is_item(item: object) -> bool:
        if type(item) is not dict:
            return False
        kind = item.get("class") if are_named else ""
        fields = checks.get(kind) if type(kind) is str else None
        return fields is not None and all(
            not required if (value := item.get(name)) is None else check(value) for name, check, required in fields
        )

    return lambda value: type(value) is list and len(value) <= MOST_ITEMS and all(map(is_item, value))
