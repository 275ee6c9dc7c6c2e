"""The core event types: one pydantic class for the ``data`` of each, and what the pipeline keeps of it.

A further type is one class here and one entry of :data:`EVENT_TYPES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from schemas.limits import DIMENSION_PATTERN, MAX_NAME_BYTES

__all__ = ["EVENT_TYPES", "Basis", "ConsentScope", "Data", "EventType", "NameTooLongError"]


class NameTooLongError(ValueError):
    """A name of more than 1,024 bytes: the contract calls that ``too-large``, not ``bad-field``."""


def _short(value: str) -> str:
    if len(value) > MAX_NAME_BYTES or len(value.encode()) > MAX_NAME_BYTES:
        raise NameTooLongError
    return value


Name = Annotated[str, StringConstraints(min_length=1), AfterValidator(_short)]
"""A non-empty string of at most 1,024 bytes, compared code point by code point."""
Dimension = Annotated[str, StringConstraints(pattern=f"^{DIMENSION_PATTERN}$")]


class Basis(StrEnum):
    """On which ground a type is counted (design 1.6)."""

    CONTRACT = "contract"
    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"


class ConsentScope(StrEnum):
    """For whom a word of consent speaks."""

    PLATFORM = "platform"
    APP = "app"


class Data(BaseModel):
    """What every type may carry; unknown fields are dropped, and a field that is null is absent."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)

    user: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value


class UserCreated(Data):
    """A user account was made."""


class FolderCreated(Data):
    """A file folder was made."""

    kind: Dimension


class GroupCreated(Data):
    """A group was made."""


class ChatCreated(Data):
    """A chat was begun."""


class SpaceCreated(Data):
    """A space was made."""


class MessageSent(Data):
    """A message was sent, by a person or by an assistant."""

    role: Literal["user", "assistant"]


class PromptSubmitted(Data):
    """A prompt was given to a module of an assistant."""

    assistant: Dimension
    module: Dimension


class FeedbackGiven(Data):
    """Somebody judged an answer."""

    sentiment: Literal["positive", "negative"]


class AppStarted(Data):
    """An application was started; says what runs where."""

    application: Dimension
    version: Dimension
    environment: Dimension


class ConsentChanged(Data):
    """The word of an installation (``platform``) or of one app (``app``) on statistics."""

    scope: Literal["platform", "app"]
    granted: bool


@dataclass(frozen=True, slots=True)
class EventType:
    """One entry of the catalogue.

    ``allowed`` names, in order, the fields of ``data`` that pass on to the clean zone; everything else is
    dropped. ``activates(values)`` says whether a counted event with these fields makes its user active.
    """

    name: str
    data: type[Data]
    basis: Basis
    allowed: tuple[str, ...] = ()
    passive: tuple[str, str] | str | None = None

    def activates(self, values: tuple[str, ...]) -> bool:
        """Whether a user of an event with these allowed values was active."""
        if self.passive is None:
            return True
        if isinstance(self.passive, str):
            return False
        field, value = self.passive
        return values[self.allowed.index(field)] != value


_CATALOGUE = (
    EventType("user.created", UserCreated, Basis.CONTRACT),
    EventType("folder.created", FolderCreated, Basis.CONTRACT, ("kind",)),
    EventType("group.created", GroupCreated, Basis.CONTRACT),
    EventType("chat.created", ChatCreated, Basis.CONTRACT),
    EventType("space.created", SpaceCreated, Basis.CONTRACT),
    EventType("message.sent", MessageSent, Basis.CONTRACT, ("role",), passive=("role", "assistant")),
    EventType("prompt.submitted", PromptSubmitted, Basis.CONTRACT, ("assistant", "module")),
    EventType("feedback.given", FeedbackGiven, Basis.OPT_OUT, ("sentiment",)),
    EventType("app.started", AppStarted, Basis.OPT_OUT, ("application", "version", "environment")),
    EventType("consent.changed", ConsentChanged, Basis.CONTRACT, passive="a word of consent is no use of a product"),
)

EVENT_TYPES: Mapping[str, EventType] = {entry.name: entry for entry in _CATALOGUE}
"""Every event type by name, in catalogue order."""
