"""Reading the entry of a partition: of either fold, its last field what is in force."""

from typing import Any, Protocol, TypeVar

import msgspec

from agents.core.control import InForce
from agents.core.joins import FormerStateError, OtherPartitionsError, StateError, payload_of

__all__ = ["read_entry"]

_decode = msgspec.msgpack.Decoder().decode


class _Entry(Protocol):
    partitions: int


Entry = TypeVar("Entry", bound=_Entry)


def read_entry(kind: type[Entry], value: bytes, former: int, partitions: int) -> Entry:
    """The entry in a value, of topics with ``partitions``; raises :class:`agents.core.joins.StateError`.

    ``former`` is how many fields the entry of fold version 2 had.
    """
    found: Any = _decode(payload_of(value))
    if isinstance(found, list) and len(found) == former:
        raise FormerStateError("it was begun by fold version 2 or earlier")
    try:
        entry = kind(*[*found[:-1], InForce.read(found[-1])])
    except (TypeError, ValueError, IndexError):
        raise StateError("the partition's entry has another shape") from None
    if entry.partitions != partitions:
        raise OtherPartitionsError(entry.partitions)
    return entry
