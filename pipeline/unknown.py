"""The one refusal of a record whose version or shape this release does not know."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeline.errors import StartupError
from schemas.wire.forms import UnknownFormError

__all__ = ["known", "readable", "refused_form"]

T = TypeVar("T")


def refused_form(
    error: UnknownFormError, topic: str | None = None, partition: int = 0, offset: int | None = None
) -> StartupError:
    """The refusal of a record; of the joined state of a partition, where there is no ``offset``."""
    place = "what was read" if topic is None else f"{topic} partition {partition}"
    place += "" if offset is None else f" offset {offset}"
    if error.version is not None:
        return StartupError(
            f"{place} is of another release ({error})", "start the release that wrote it, or a later one"
        )
    return StartupError(
        f"{place} cannot be read ({error})",
        "use the release that wrote it, or a later one; if none did, find out who else writes to that topic",
    )


@contextmanager
def readable(topic: str, partition: int, offset: int | None = None) -> Iterator[None]:
    """Within it a record, or joined state, is read; raises StartupError where this release does not know its form."""
    try:
        yield
    except UnknownFormError as error:
        raise refused_form(error, topic, partition, offset) from None


def known(decode: Callable[[bytes], T], value: bytes | None, topic: str, partition: int, offset: int) -> T:
    """The decoded record at ``offset``; raises StartupError where this release does not know its form."""
    with readable(topic, partition, offset):
        return decode(value or b"")
