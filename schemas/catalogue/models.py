"""Pydantic models made of declared fields: the authority on what ``data`` of a type may hold, and its JSON Schema."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, create_model, model_validator
from pydantic import Field as Constraints

from schemas.catalogue.fields import MOST_INT, MOST_ITEMS, PATTERNS, Field, FieldType, ItemClass
from schemas.limits import MAX_NAME_BYTES
from schemas.times import parse_time

__all__ = ["Data", "Name", "NameTooLongError", "StrictObject", "model_of"]


class NameTooLongError(ValueError):
    """A name of more than 1,024 bytes: the contract calls that ``too-large``, not ``bad-field``."""


def _short(value: str) -> str:
    if len(value) > MAX_NAME_BYTES or len(value.encode()) > MAX_NAME_BYTES:
        raise NameTooLongError
    return value


Name = Annotated[str, StringConstraints(min_length=1), AfterValidator(_short)]
"""A non-empty string of at most 1,024 bytes, compared code point by code point."""


class StrictObject(BaseModel):
    """Unknown fields are dropped, and a field that is null is absent."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value


class Data(StrictObject):
    """What every type may carry."""

    user: Name | None = None


def model_of(name: str, title: str, fields: Sequence[Field]) -> type[Data]:
    """The model of ``data`` of the type ``name``; ``title`` is what its JSON Schema says of it."""
    made: type[Data] = create_model(_class_name(name), __base__=Data, __doc__=title, **_members(fields))
    return made


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]", name))


def _members(fields: Sequence[Field]) -> dict[str, Any]:
    return {
        field.name: (_annotation(field), ...) if field.required else (_annotation(field) | None, None)
        for field in fields
    }


def _annotation(field: Field) -> Any:
    kind = field.type
    if kind is FieldType.CHOICE:
        return Literal[field.choices]
    if kind is FieldType.INT:
        return Annotated[int, Constraints(ge=0, le=MOST_INT)]
    if kind is FieldType.BOOL:
        return bool
    if kind is FieldType.TIME:
        return Annotated[str, AfterValidator(_is_time), Constraints(json_schema_extra={"format": "date-time"})]
    if kind is FieldType.ITEMS:
        return Annotated[list[_item(field.classes)], Constraints(max_length=MOST_ITEMS)]  # type: ignore[misc]
    return Annotated[str, StringConstraints(pattern=f"^({PATTERNS[kind]})$")]


def _item(classes: Sequence[ItemClass]) -> Any:
    models = [_model_of_item(each) for each in classes]
    if len(models) == 1:
        return models[0]
    return Annotated[Union[tuple(models)], Constraints(discriminator="kind")]  # noqa: UP007 - of a list


def _model_of_item(item: ItemClass) -> type[BaseModel]:
    members = _members(item.fields)
    if item.name:
        members["kind"] = (Annotated[Literal[item.name], Constraints(alias="class")], ...)
    return create_model(f"{item.name.capitalize()}Item", __base__=StrictObject, **members)


def _is_time(value: str) -> str:
    parse_time(value)
    return value
