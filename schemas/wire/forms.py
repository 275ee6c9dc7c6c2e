"""How every kept record is read: exactly in the form that this release writes, or not at all.

A field more or another version may mean something that this release does not know, so it is never passed over.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

__all__ = ["UNREADABLE", "UnknownFormError", "form_reader", "whole"]

T = TypeVar("T")
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that it cannot read: of another form, with text that is none, or nested too deep."""


class UnknownFormError(msgspec.ValidationError):
    """A record of a version or a shape that this release does not know; nothing of its content is told.

    ``version`` is the one that it says, None where it says none.
    """

    def __init__(self, what: str, version: int | None = None) -> None:
        super().__init__(what)
        self.version = version


def whole(pattern: str) -> str:
    """The pattern for msgspec of texts that match ``pattern`` as a whole; JSON Schema reads it alike.

    msgspec searches with Python's ``re``, whose ``$`` also takes a line end behind the text.
    """
    return rf"^(?:{pattern})$(?!\n)"


def form_reader(
    what: str, decode: Callable[[bytes], T], error: type[UnknownFormError] = UnknownFormError, *, skip: int = 0
) -> Callable[[bytes], T]:
    """What reads records of one kind, which lie behind the first ``skip`` bytes; it raises ``error`` for any other.

    ``decode`` is to refuse fields that it does not know.
    """

    def read(data: bytes) -> T:
        try:
            return decode(data[skip:])
        except UNREADABLE:
            raise error(f"{what} has another shape") from None

    return read
