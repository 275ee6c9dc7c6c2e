"""What the catalogue declares, as hypothesis draws it: values that a field takes, and values near to them."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue.fields import MOST_INT, MOST_ITEMS, PATTERNS, Field, FieldType, ItemClass
from schemas.catalogue.types import EventType

__all__ = ["good_data", "good_value", "near_value"]

_NEAR: list[Any] = [
    "", " ", "a", "A.b-c_d", "a ", " a", "a\n", "~other", "x" * 64, "x" * 65, "x" * 128, "x" * 129, "é", "0" * 32,
    "g" * 32, "0" * 8, 0, 1, -1, 1.0, MOST_INT, MOST_INT + 1, 2**64, True, False, "true", [], [{}], {}, None,
    "2026-02-28T00:00:00Z", "2026-02-29T00:00:00Z",
]  # fmt: skip


def good_value(field: Field) -> st.SearchStrategy[Any]:
    """Values that the field takes."""
    kind = field.type
    if kind is FieldType.CHOICE:
        return st.sampled_from(field.choices)
    if kind is FieldType.INT:
        return st.integers(0, MOST_INT)
    if kind is FieldType.BOOL:
        return st.booleans()
    if kind is FieldType.TIME:
        return st.sampled_from(["2026-11-01T10:00:00Z", "2024-02-29T23:59:59.999999+23:59"])
    if kind is FieldType.ITEMS:
        return st.lists(st.one_of([_good_item(each) for each in field.classes]), max_size=3)
    return st.from_regex(f"\\A(?:{PATTERNS[kind]})\\Z")


def _good_item(item: ItemClass) -> st.SearchStrategy[dict[str, Any]]:
    named = {"class": st.just(item.name)} if item.name else {}
    return _members(item.fields).flatmap(lambda made: st.fixed_dictionaries(named).map(lambda more: made | more))


def _members(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    required = {field.name: good_value(field) for field in fields if field.required}
    return st.fixed_dictionaries(
        required, optional={field.name: st.none() | good_value(field) for field in fields if not field.required}
    )


def good_data(entry: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """``data`` of an event of this type."""
    return _members(entry.fields)


def near_value(field: Field) -> st.SearchStrategy[Any]:
    """What the field takes, or nearly so."""
    near = [*_NEAR, *field.choices, *(choice.upper() for choice in field.choices)]
    if field.type is FieldType.ITEMS:
        item = st.one_of([_good_item(each) for each in field.classes])
        odd = st.builds(_with, item, st.sampled_from(["class", *_names(field)]), st.sampled_from(near))
        many = item.map(lambda made: [made] * (MOST_ITEMS + 1))
        return st.lists(item | odd, max_size=3) | many | st.sampled_from(near)
    return good_value(field) | st.sampled_from(near)


def _with(item: Mapping[str, Any], name: str, value: object) -> dict[str, Any]:
    return {**item, name: json.loads(json.dumps(value))}


def _names(field: Field) -> list[str]:
    return [each.name for item in field.classes for each in item.fields]
