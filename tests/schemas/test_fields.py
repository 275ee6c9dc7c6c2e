"""Whatever a field is declared to hold, everything that is made of the declaration takes and refuses alike."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.catalogue.fields import PATTERNS, Field, FieldType, ItemClass
from schemas.catalogue.models import model_of
from tests.declared import good_value, near_value

_LICENCE = ItemClass(
    "licence",
    (
        Field("licence", FieldType.LICENCE),
        Field("until", FieldType.TIME, required=False),
        Field("quantity", FieldType.INT, required=False),
    ),
)
FIELDS = {kind: Field("field", kind) for kind in FieldType if kind not in {FieldType.CHOICE, FieldType.ITEMS}} | {
    FieldType.CHOICE: Field("field", FieldType.CHOICE, ("user", "assistant")),
    FieldType.ITEMS: Field(
        "field", FieldType.ITEMS, classes=(ItemClass("serial", (Field("serial", FieldType.SERIAL),)), _LICENCE)
    ),
}
ONE_CLASS = Field("field", FieldType.ITEMS, classes=(ItemClass("", (Field("device"), Field("n", FieldType.INT))),))


def takes(field: Field, value: object) -> bool:
    """Whether the model made of it takes the value."""
    try:
        model_of("some.thing", "Something.", (field,)).model_validate({"field": value})
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("field", [*FIELDS.values(), ONE_CLASS], ids=[*FIELDS, "one class"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_good_value_is_taken(field: Field, data: st.DataObject) -> None:
    value = data.draw(good_value(field))
    assert field.check()(value)
    assert takes(field, value)


@pytest.mark.parametrize("field", [*FIELDS.values(), ONE_CLASS], ids=[*FIELDS, "one class"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_check_and_model_are_of_one_mind(field: Field, data: st.DataObject) -> None:
    value = data.draw(near_value(field))
    if value is not None:
        assert field.check()(value) == takes(field, value)


def test_every_kind_of_text_has_a_pattern() -> None:
    others = {FieldType.CHOICE, FieldType.INT, FieldType.BOOL, FieldType.TIME, FieldType.ITEMS}
    assert {*PATTERNS} == {*FieldType} - others
    assert all(re.compile(pattern) for pattern in PATTERNS.values())
