"""What goes into the folds and what comes out of them, as plain values."""

from dataclasses import dataclass, field

import msgspec

from schemas.reasons import Reason

__all__ = ["Decoded", "Event", "Move", "RawRecord", "Refusal", "StateWrite"]


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of the raw topic as the broker stored it; times in milliseconds since 1970 UTC."""

    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Event(msgspec.Struct, frozen=True, gc=False):
    """A well-formed event: nothing but what may decide or be counted.

    ``values`` are the allowed fields of its type in catalogue order; ``index`` is None outside batch mode;
    ``consent`` is (scope, granted) for ``consent.changed`` alone.
    """

    index: int | None
    id: str
    source: str
    type: str
    company: str
    time: int
    sequence: int | None
    installation: str
    user: str | None
    values: tuple[str, ...]
    consent: tuple[str, bool] | None = None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A rejection in the making: a reason and a JSON pointer of indices and the contract's own names only."""

    index: int | None
    reason: Reason
    path: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record read by form alone: its well-formed events and its refusals, each in raw order."""

    events: tuple[Event, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Move(msgspec.Struct, frozen=True, gc=False):
    """A misplaced record to be appended to its home as it is, under ``key``."""

    partition: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One key of a chunk's state batch; ``value`` None deletes."""

    key: bytes
    value: bytes | None = field(default=None)
