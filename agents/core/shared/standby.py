"""A copy of a partition's joined state kept by somebody who does not own it, ready to be taken over."""

from collections.abc import Callable, Iterable
from typing import Protocol

from agents.core.shared.joins import JoinedLog
from agents.core.shared.store import OwnStore

__all__ = ["Standby"]


class _StateRecord(Protocol):
    """A record of a changelog; its append time is in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def append_time(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Standby:
    """The join of a changelog up to before offset ``next``; reading on from there makes it the join of all of it.

    ``newest`` is the append time of the last record taken, in milliseconds. ``open_store`` makes the store that it lies
    in, when it is first needed; None is memory.

    It holds what a reader of the whole log would find, with keys besides that the cleaner has taken from the log: a
    deletion joins as nothing, so a dead key stays until ``forget`` is told that the log may have lost it too. Dropping
    it earlier would let a late writer's old value of it come back to life.
    """

    __slots__ = ("_joined", "_open", "_store", "_tombstones", "handed_over", "newest", "next")

    def __init__(self, open_store: Callable[[], OwnStore | None] = lambda: None) -> None:
        self._open = open_store
        self._store: OwnStore | None = None
        self.handed_over = False
        """Whether somebody else has its store now, so that it is not to be used any more."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Know nothing, at the beginning of the log."""
        self.let_go()
        self._joined: JoinedLog | None = None
        self.next = 0
        self.newest = 0
        self._tombstones: dict[bytes, int] = {}

    @property
    def joined(self) -> JoinedLog:
        """What the records taken come to."""
        if self._joined is None:
            self._store = self._open()
            self._joined = JoinedLog(self._store)
        return self._joined

    def hand_over(self) -> OwnStore | None:
        """Give the store away with what it holds, None where it is memory; ``joined`` is the receiver's too then."""
        store, self._store = self._store, None
        self.handed_over = store is not None
        return store

    def let_go(self) -> None:
        """Close the store, if it has one still."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def apply(self, records: Iterable[_StateRecord]) -> None:
        """Take the next records of the log, in its order."""
        apply, tombstones, record = self.joined.apply, self._tombstones, None
        for record in records:
            key, value = record.key or b"", record.value
            apply(key, value)
            if value is None:
                self._delete(key, record.append_time)
            elif tombstones:
                tombstones.pop(key, None)
        if record is not None:
            self.next = record.offset + 1
            self.newest = max(self.newest, record.append_time)

    def _delete(self, key: bytes, append_time: int) -> None:
        if self.joined.get(key) is not None:
            self._tombstones.pop(key, None)  # the last deletion counts, and the order is that of time
            self._tombstones[key] = append_time

    def forget(self, before: int) -> None:
        """Drop keys whose last record is a deletion that was appended before ``before``, milliseconds."""
        gone = []
        for key, append_time in self._tombstones.items():
            if append_time >= before:
                break
            gone.append(key)
        for key in gone:
            del self._tombstones[key]
        self.joined.drop(gone)
