"""What goes into the folds and what comes out of them, as plain values."""

from dataclasses import dataclass

import msgspec

from schemas.reasons import Reason
from schemas.wire.corrections import encode_correction

__all__ = ["Decoded", "Event", "LateChange", "Move", "Part", "RawRecord", "Refusal", "StateWrite"]


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of the raw topic as the broker stored it; times in milliseconds since 1970 UTC.

    Where ``unreadable_to`` is set, the bytes from ``offset`` up to that offset hold no records as Kafka's format says:
    one rejection, with the append time of their batch and nothing else.
    """

    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    unreadable_to: int | None = None

    @property
    def last(self) -> int:
        """The last offset that it stands for."""
        return self.offset if self.unreadable_to is None else self.unreadable_to


class Event(msgspec.Struct, frozen=True, gc=False):
    """A well-formed event: nothing but what may decide or be counted.

    ``values`` are the allowed fields of its type in catalogue order, ``measures`` those that are numbers (see
    :class:`schemas.wire.clean.CleanChunk`); ``index`` is None outside batch mode;
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
    measures: tuple[int, ...] = ()


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Rejections in the making, for the form of events or of a whole record.

    ``count`` events of a batch from ``index`` on are refused for one reason, each at the same place ``at``, a JSON
    pointer of the contract's names. Outside batch mode ``index`` is None, and there is one.
    """

    index: int | None
    reason: Reason
    at: str
    count: int = 1

    @property
    def path(self) -> str:
        """Where in the record the first of them is."""
        return self.at if self.index is None else f"/{self.index}{self.at}"


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A record read by form alone: its well-formed events and its refusals in raw order."""

    items: tuple[Event | Refusal, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        """The well-formed events."""
        return tuple([item for item in self.items if type(item) is Event])


class Move(msgspec.Struct, frozen=True, gc=False):
    """A misplaced record to be appended to its home as it is, under ``key``."""

    partition: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class StateWrite(msgspec.Struct, frozen=True, gc=False):
    """One key of a chunk's state batch; ``value`` None deletes."""

    key: bytes
    value: bytes | None = None


class LateChange(msgspec.Struct, frozen=True, gc=False):
    """A figure that the raw record at ``offset`` changed after its window had closed.

    ``id`` is the aggregate id, ``closing`` the closing watermark before that record in milliseconds since 1970 UTC.
    """

    offset: int
    id: bytes
    old: int
    new: int
    closing: int

    def record(self, partition: int) -> tuple[bytes, bytes]:
        """Key and value of the correction."""
        value = encode_correction(self.id.decode(), self.old, self.new, partition, self.offset, self.closing)
        return self.id, value


@dataclass(frozen=True, slots=True)
class Part:
    """What the second fold hands out at a time: one state batch, its entry last, and the corrections that go before it.

    The corrections are those of the raw records whose state ``writes`` holds, in raw order.
    """

    writes: list[StateWrite]
    corrections: list[LateChange]
