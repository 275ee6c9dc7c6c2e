"""Reading the entry of a partition: of either fold, its last field what is in force."""

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar

from agents.core.shared.control import InForce
from agents.core.shared.joins import FormerStateError, OtherPartitionsError, value_reader

__all__ = ["read_entry"]

_read_any = value_reader("the partition's entry", list[Any])


class _Entry(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init__(self, *fields: Any) -> None: ...

    partitions: int


Entry = TypeVar("Entry", bound=_Entry)


def read_entry(kind: type[Entry], value: bytes, former: int, partitions: int) -> Entry:
    """The entry in a value, of topics with ``partitions``; raises :class:`agents.core.shared.joins.StateError`.

    ``former`` is how many fields the entry of fold version 2 had.
    """
    if len(_read_any(value)) == former:
        raise FormerStateError("it was begun by fold version 2 or earlier")
    *numbers, in_force = _reader(kind)(value)
    number, idle_after, digests = in_force
    entry = kind(*numbers, InForce(number, idle_after, tuple(digests)))
    if entry.partitions != partitions:
        raise OtherPartitionsError(entry.partitions)
    return entry


@lru_cache
def _reader(kind: type[_Entry]) -> Callable[[bytes], tuple[Any, ...]]:
    form: Any = tuple.__class_getitem__((*[int] * (len(fields(kind)) - 1), tuple[int, int, list[str]]))
    return value_reader("the partition's entry", form)
