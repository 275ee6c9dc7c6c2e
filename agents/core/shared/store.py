"""Where state lies that may outgrow memory: a sorted mapping of bytes, and what reading it in pieces needs.

A store is a copy of what the changelog says, never the truth: it is filled from the log and dropped with its owner.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Protocol

__all__ = ["MemoryStore", "OwnStore", "Store", "all_but", "walk"]

_STEP = 1000


class Store(Protocol):
    """What :class:`agents.core.shared.joins.JoinedLog` and the folds ask of one; keys are not empty.

    What went in is seen by every later call. An iterator may or may not see what is written while it is read.
    """

    def get(self, key: bytes, /) -> bytes | None:
        """The value of a key, None where it is not there."""

    def put(self, key: bytes, value: bytes, /) -> None:
        """Set a key."""

    def delete(self, key: bytes, /) -> None:
        """Take a key out, also where it is not there."""

    def write(self, changes: Iterable[tuple[bytes, bytes | None]], /) -> None:
        """Many changes at once; a value of None deletes."""

    def scan(self, prefix: bytes, after: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix``, ascending, those greater than ``after`` alone where it is given."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Every key, in any order."""


class OwnStore(Store, Protocol):
    """A store of one assignment, or of a standby until it is handed over to one."""

    def close(self) -> None:
        """Let go of it, with all that it holds."""


class MemoryStore:
    """A store in memory; ``scan`` looks at every key."""

    __slots__ = ("_values", "get", "put")

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        # The dictionary's own methods, for a call less: recovery asks for every record of the changelog.
        self.get = self._values.get
        self.put = self._values.__setitem__

    def delete(self, key: bytes, /) -> None:
        """See :class:`Store`."""
        self._values.pop(key, None)

    def write(self, changes: Iterable[tuple[bytes, bytes | None]], /) -> None:
        """See :class:`Store`."""
        for key, value in changes:
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value

    def scan(self, prefix: bytes, after: bytes | None = None, /) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`Store`."""
        found = sorted(key for key in self._values if key.startswith(prefix) and (after is None or key > after))
        return ((key, self._values[key]) for key in found if key in self._values)

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """See :class:`Store`."""
        return self._values.items()

    def close(self) -> None:
        """See :class:`OwnStore`."""


def walk(store: Store, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """As ``scan``, with the store let go of in between, for walks that take many chunks.

    A pair was in the store when it was read; between that and its turn it may have changed.
    """
    after: bytes | None = None
    while True:
        found = list(islice(store.scan(prefix, after), _STEP))
        yield from found
        if len(found) < _STEP:
            return
        after = found[-1][0]


def all_but(store: Store, kinds: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Every key whose first byte is none of ``kinds``."""
    for first in range(256):
        kind = bytes([first])
        if kind not in kinds:
            yield from store.scan(kind)
