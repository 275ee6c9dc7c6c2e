"""Values of the state and their join (design 2.1, rules 3 and 5).

A value is 8 bytes, big-endian, of its fence + 1, then MessagePack. Two versions of one value are folds of two
prefixes of the same log, so the one with the greater fence contains the other; the partition's entry joins
field by field, each a maximum. A deletion knows no fence, so it joins as nothing at all: whether a key is
alive is decided by the entry.
"""

from collections.abc import ItemsView, Iterable
from itertools import zip_longest

import msgspec

__all__ = ["ENTRY_KEY", "JoinedLog", "fence_of", "join_values", "payload_of", "seal"]

ENTRY_KEY = b"e"
"""Key of the partition's own entry, an array of integers; the last record of every batch."""

_FENCE_BYTES = 8
_encode = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(list[int]).decode


def seal(fence: int, payload: object) -> bytes:
    """The value of ``payload`` as folded up to raw offset ``fence`` (-1: nothing folded yet)."""
    return (fence + 1).to_bytes(_FENCE_BYTES, "big") + _encode(payload)


def fence_of(value: bytes) -> int:
    """The fence of a value, a raw offset or -1."""
    return int.from_bytes(value[:_FENCE_BYTES], "big") - 1


def payload_of(value: bytes) -> bytes:
    """The MessagePack in a value."""
    return value[_FENCE_BYTES:]


def join_values(key: bytes, a: bytes, b: bytes) -> bytes:
    """The join of two values of one key: associative, commutative and idempotent.

    The greater fence wins, of two alike the greater bytes; of the entry every field is the maximum.
    """
    if key != ENTRY_KEY or a == b:
        return max(a, b)
    fields = [
        max(pair)
        for pair in zip_longest(_decode_entry(a[_FENCE_BYTES:]), _decode_entry(b[_FENCE_BYTES:]), fillvalue=-(2**63))
    ]
    return seal(max(fence_of(a), fence_of(b)), fields)


class JoinedLog:
    """The join of the changelog records of one partition, in whatever order they are applied.

    It also knows the keys whose last record on the log is not the joined one: recovery writes them again.
    """

    __slots__ = ("_stale", "_values")

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._stale: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._values)

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take the next record of the log; ``value`` None is a deletion, which joins as nothing."""
        old = self._values.get(key)
        if value is None:
            if old is not None:
                self._stale.add(key)
            return
        joined = value if old is None else join_values(key, old, value)
        self._values[key] = joined
        if joined == value:
            self._stale.discard(key)
        else:
            self._stale.add(key)

    def get(self, key: bytes) -> bytes | None:
        """The joined value of ``key``, None where no record had one."""
        return self._values.get(key)

    def items(self) -> ItemsView[bytes, bytes]:
        """Every key with its joined value, dead keys included until they are dropped."""
        return self._values.items()

    def to_mend(self) -> list[tuple[bytes, bytes]]:
        """Keys whose last record is not the joined one, with the joined value; the entry is last."""
        found = sorted(self._stale, key=lambda key: (key == ENTRY_KEY, key))
        return [(key, self._values[key]) for key in found]

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget dead keys: those that the fold's ``restore`` names, and one's own acknowledged deletions."""
        for key in keys:
            self._values.pop(key, None)
            self._stale.discard(key)
