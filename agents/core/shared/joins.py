"""Values of the state and their join (design 2.1, rules 3 and 5).

A value is 8 bytes, big-endian, of its fence + 1, then MessagePack. Two versions of one value are folds of two
prefixes of the same log, so the one with the greater fence contains the other; the partition's entry joins
field by field, each a maximum (of what is in force that of the later record). A deletion knows no fence, so it joins
as nothing at all: whether a key is alive is decided by the entry.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any, TypeVar

import msgspec

from agents.core.shared.store import MemoryStore, Store
from schemas.wire.forms import UnknownFormError, form_reader

__all__ = [
    "ENTRY_KEY",
    "MARK",
    "FormerStateError",
    "JoinedLog",
    "OtherPartitionsError",
    "StateError",
    "fence_of",
    "join_values",
    "payload_of",
    "seal",
    "value_reader",
]

ENTRY_KEY = b"e"
"""Key of the partition's own entry, an array of fields that only grow; the last record of every batch."""
MARK = b"\0"
"""Begins, within the store of a :class:`JoinedLog` alone, a mark of the key that follows it."""

_FENCE_BYTES = 8
_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


class StateError(UnknownFormError):
    """State that no fold of this release wrote."""


class FormerStateError(StateError):
    """State of fold version 2 or an earlier one, which is not gone on with."""


class OtherPartitionsError(StateError):
    """State of topics that had another number of partitions."""

    def __init__(self, partitions: int) -> None:
        super().__init__(f"its topics had {partitions} partitions")
        self.partitions = partitions


def seal(fence: int, payload: object) -> bytes:
    """The value of ``payload`` as folded up to raw offset ``fence`` (-1: nothing folded yet)."""
    return (fence + 1).to_bytes(_FENCE_BYTES, "big") + _encode(payload)


def fence_of(value: bytes) -> int:
    """The fence of a value, a raw offset or -1."""
    return int.from_bytes(value[:_FENCE_BYTES], "big") - 1


def payload_of(value: bytes) -> bytes:
    """The MessagePack in a value."""
    return value[_FENCE_BYTES:]


def value_reader(what: str, form: type[T]) -> Callable[[bytes], T]:
    """What reads the payload of a value; it raises :class:`StateError` where that is not of exactly this form."""
    return form_reader(what, msgspec.msgpack.Decoder(form).decode, StateError, skip=_FENCE_BYTES)


_read_entry = value_reader("the partition's entry", list[Any])


def join_values(key: bytes, a: bytes, b: bytes) -> bytes:
    """The join of two values of one key: associative, commutative and idempotent.

    The greater fence wins, of two alike the greater bytes; of the entry every field is the maximum. Raises
    :class:`StateError` for entries that cannot be compared.
    """
    if key != ENTRY_KEY or a == b:
        return max(a, b)
    try:
        fields = [
            one if other is None else other if one is None else max(one, other)
            for one, other in zip_longest(_read_entry(a), _read_entry(b))
        ]
    except TypeError:
        raise StateError("the partition's entry has another shape") from None
    return seal(max(fence_of(a), fence_of(b)), fields)


class JoinedLog:
    """The join of the changelog records of one partition, in whatever order they are applied.

    It also knows the keys whose last record on the log is not the joined one: recovery writes them again. All of it
    lies in ``store``, which must be empty, or where that is None in memory.
    """

    __slots__ = ("_count", "_kinds", "_marked", "_values", "store")

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self._values: Store = MemoryStore() if store is None else store
        self._kinds: Counter[bytes] = Counter()
        self._count = 0
        self._marked = 0

    def __len__(self) -> int:
        return self._count

    def count(self, kind: bytes) -> int:
        """How many keys begin with the byte ``kind``, where there is a store."""
        return self._kinds[kind]

    @property
    def stale(self) -> bool:
        """Whether :meth:`to_mend` names any key."""
        return self._marked > 0

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take the next record of the log; ``value`` None is a deletion, which joins as nothing."""
        old = self._values.get(key)
        if value is None:
            if old is not None:
                self._mark(key)
        elif old is None:
            self._values.put(key, value)
            self._count += 1
            if self.store is not None:
                self._kinds[key[:1]] += 1
        else:
            joined = join_values(key, old, value)
            if joined != old:
                self._values.put(key, joined)
            if joined != value:
                self._mark(key)
            elif self._marked:
                self._unmark(key)

    def get(self, key: bytes) -> bytes | None:
        """The joined value of ``key``, None where no record had one."""
        return self._values.get(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key with its joined value, dead keys included until they are dropped."""
        found = self._values.items()
        return ((key, value) for key, value in found if key[:1] != MARK) if self._marked else iter(found)

    def to_mend(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys whose last record is not the joined one, with the joined value; the entry is last."""
        if self._marked:
            for mark, _ in self._values.scan(MARK):
                if mark != MARK + ENTRY_KEY:
                    yield mark[1:], self._values.get(mark[1:]) or b""
            if self._values.get(MARK + ENTRY_KEY) is not None:
                yield ENTRY_KEY, self._values.get(ENTRY_KEY) or b""

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget dead keys: those that the fold's ``restore`` names, and one's own acknowledged deletions."""
        for key in keys:
            if self._values.get(key) is not None:
                self._values.delete(key)
                self._count -= 1
                if self.store is not None:
                    self._kinds[key[:1]] -= 1
                self._unmark(key)

    def _mark(self, key: bytes) -> None:
        if self._values.get(MARK + key) is None:
            self._values.put(MARK + key, b"")
            self._marked += 1

    def _unmark(self, key: bytes) -> None:
        if self._values.get(MARK + key) is not None:
            self._values.delete(MARK + key)
            self._marked -= 1
