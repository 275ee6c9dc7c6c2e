"""A catalogue with a type of every kind of field and a metric of every kind, beside the built-in ones."""

from pathlib import Path
from typing import Final

from pipeline.settings.catalogue import catalogue_of
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.fields import Field, FieldType, ItemClass
from schemas.catalogue.types import Basis, EventType

__all__ = ["EVERY_FIELD", "METERS", "METERS_FILE", "METERS_TEXT"]

METERS_FILE: Final = Path(__file__).with_suffix(".toml")
METERS_TEXT: Final = METERS_FILE.read_text("utf-8")
_ITEMS = (
    ItemClass("serial", (Field("serial", FieldType.SERIAL),)),
    ItemClass("licence", (Field("until", FieldType.TIME, required=False),)),
)
_LISTED = EventType(
    "system.listed",
    "What a system consists of.",
    Basis.CONTRACT,
    (Field("items", FieldType.ITEMS, classes=_ITEMS), Field("quantity", FieldType.INT)),
)

METERS: Final[Catalogue] = catalogue_of(METERS_FILE)
"""As a process whose settings name the file reads it."""
EVERY_FIELD: Final = Catalogue({**METERS.types, _LISTED.name: _LISTED}, METERS.metrics)
"""With lists of items too, which a file does not declare."""
