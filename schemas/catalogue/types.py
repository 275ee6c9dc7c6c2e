"""The built-in event types: what the ``data`` of each holds, on which ground it is counted, who is active by it.

A further type is one entry of :data:`EVENT_TYPES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, cast

from schemas.catalogue.fields import ABSENT, Field, FieldType
from schemas.catalogue.models import Data, model_of

__all__ = ["CONSENT", "EVENT_TYPES", "Basis", "ConsentScope", "EventType"]

CONSENT = "consent.changed"
"""The type that says what may be counted; nothing of it passes on."""


class Basis(StrEnum):
    """On which ground a type is counted (design 1.6)."""

    CONTRACT = "contract"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"


class ConsentScope(StrEnum):
    """For whom a word of consent speaks."""

    PLATFORM = "platform"
    APP = "app"


@dataclass(frozen=True)
class EventType:
    """One entry of the catalogue; ``title`` says when it is sent.

    ``passive`` says which users are not active by it: nobody (None), those of events that have a value in a
    dimension, or everybody, with the reason as a text.
    """

    name: str
    title: str
    basis: Basis
    fields: tuple[Field, ...] = ()
    passive: tuple[str, str] | str | None = None
    scope: ConsentScope = ConsentScope.APP
    """Whose word is asked where the basis is not a contract: the installation's alone, or the app's as well."""
    retired: bool = False
    """No longer accepted; what was counted of it stays known."""

    @cached_property
    def data(self) -> type[Data]:
        """The authority on its ``data``."""
        return model_of(self.name, self.title, self.fields)

    @cached_property
    def dimensions(self) -> tuple[Field, ...]:
        """The fields that pass on to the clean zone as text, in order; what is no measure either is dropped."""
        return () if self.name == CONSENT else tuple(field for field in self.fields if field.is_dimension)

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(field.name for field in self.dimensions)

    @cached_property
    def measures(self) -> tuple[Field, ...]:
        """The fields that pass on to the clean zone as numbers, in order."""
        return () if self.name == CONSENT else tuple(field for field in self.fields if field.is_measure)

    @cached_property
    def measured(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(field.name for field in self.measures)

    def filled(self, values: Sequence[str | None]) -> tuple[str, ...]:
        """Values of the allowed fields with what an absent one counts as."""
        if None not in values:
            return cast("tuple[str, ...]", tuple(values))
        pairs = zip(self.dimensions, values, strict=True)
        return tuple([field.absent if value is None else value for field, value in pairs])

    def amounts(self, values: Sequence[int | None]) -> tuple[int, ...]:
        """Values of the measures as numbers, with what stands for an absent one."""
        return tuple([ABSENT if value is None else int(value) for value in values])

    @cached_property
    def is_shape(self) -> bool:
        """Whether every field that it declares is a dimension, so that a shape tells all that there is to check."""
        return len(self.allowed) == len(self.fields)

    @property
    def is_fast(self) -> bool:
        """Whether every field that it declares passes on."""
        return len(self.allowed) + len(self.measured) == len(self.fields)

    def activates(self, values: tuple[str, ...]) -> bool:
        """Whether a user of an event with these allowed values was active."""
        if self.passive is None:
            return True
        if isinstance(self.passive, str):
            return False
        field, value = self.passive
        return values[self.allowed.index(field)] != value

    def facts(self) -> dict[str, Any]:
        """What of it decides, as JSON takes it."""
        return {
            "name": self.name,
            "basis": self.basis.value,
            "scope": self.scope.value,
            "passive": isinstance(self.passive, str) or self.passive,
            "fields": [field.facts() for field in self.fields],
            "retired": self.retired,
        }


def _choice(name: str, *choices: str) -> Field:
    return Field(name, FieldType.CHOICE, choices)


_CATALOGUE = (
    EventType("user.created", "A user account was made.", Basis.CONTRACT),
    EventType("folder.created", "A file folder was made.", Basis.CONTRACT, (Field("kind"),)),
    EventType("group.created", "A group was made.", Basis.CONTRACT),
    EventType("chat.created", "A chat was begun.", Basis.CONTRACT),
    EventType("space.created", "A space was made.", Basis.CONTRACT),
    EventType(
        "message.sent",
        "A message was sent, by a person or by an assistant.",
        Basis.CONTRACT,
        (_choice("role", "user", "assistant"),),
        passive=("role", "assistant"),
    ),
    EventType(
        "prompt.submitted",
        "A prompt was given to a module of an assistant.",
        Basis.CONTRACT,
        (Field("assistant"), Field("module")),
    ),
    EventType(
        "feedback.given",
        "Somebody judged an answer.",
        Basis.OPT_OUT,
        (_choice("sentiment", "positive", "negative"),),
    ),
    EventType(
        "app.started",
        "An application was started; says what runs where.",
        Basis.OPT_OUT,
        (Field("application"), Field("version"), Field("environment")),
    ),
    EventType(
        CONSENT,
        "The word of an installation (``platform``) or of one app (``app``) on statistics.",
        Basis.CONTRACT,
        (_choice("scope", "platform", "app"), Field("granted", FieldType.BOOL)),
        passive="a word of consent is no use of a product",
    ),
)

EVENT_TYPES: Mapping[str, EventType] = {entry.name: entry for entry in _CATALOGUE}
"""Every event type by name, in catalogue order."""
