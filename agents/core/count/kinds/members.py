"""The sources that distinct figures have counted, by figure: all in memory, or those lately seen over a store.

The state's key is ``m`` aggregate id ``|`` source, its value nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from agents.core.shared.store import Store

__all__ = ["HOT_MEMBERS", "Members", "member_key"]

HOT_MEMBERS = 100_000
"""Sources of figures that are held in memory over a store, at most twice as many and a chunk's more."""


def member_key(figure: bytes, source: bytes) -> bytes:
    """The state's key of a source that the figure of this id has counted."""
    return b"m" + figure + b"|" + source


class Members:
    """By aggregate id."""

    def __init__(self) -> None:
        self._figures: dict[bytes, set[bytes]] = {}
        self._older: dict[bytes, set[bytes]] = {}
        self._forgotten: deque[bytes] = deque()
        self._store: Store | None = None
        self._count = 0

    def attach(self, store: Store, lives: Callable[[bytes], bool]) -> None:
        """Read from ``store`` from now on; what is there of a figure that lives no more is forgotten."""
        self._store = store
        after = None
        while (found := next(iter(store.scan(b"m", after)), None)) is not None:
            figure = b"|".join(found[0][1:].split(b"|", 5)[:5])
            if not lives(figure):
                self._forgotten.append(figure)
            after = b"m" + figure + b"}"  # past every source: "}" comes next to "|"

    def restore(self, figure: bytes, source: bytes) -> None:
        """Take up a key."""
        self._figures.setdefault(figure, set()).add(source)

    def of(self, figure: bytes) -> Iterable[bytes]:
        """The sources of a figure that are in memory: without a store all of them."""
        return self._figures.get(figure, ())

    def has(self, figure: bytes, source: bytes) -> bool:
        """Whether the figure has counted the source."""
        known = self._figures.get(figure)
        if known is not None and source in known:
            return True
        if self._store is None or not self._recall(self._store, figure, source):
            return False
        self.add(figure, source)
        return True

    def add(self, figure: bytes, source: bytes) -> None:
        """Have the figure count the source."""
        self._figures.setdefault(figure, set()).add(source)

    def _recall(self, store: Store, figure: bytes, source: bytes) -> bool:
        self._count += 1
        return source in self._older.get(figure, ()) or store.get(member_key(figure, source)) is not None

    def settle(self) -> None:
        """All that is known is in the store: let go of what was not seen lately."""
        if self._store is not None and self._count > HOT_MEMBERS:
            self._older, self._figures, self._count = self._figures, {}, 0

    def forget(self, figure: bytes) -> Iterable[bytes]:
        """The figure has expired; the keys that died, save those that :meth:`dead` tells in pieces."""
        sources = self._figures.pop(figure, set())
        if self._store is None:
            return [member_key(figure, source) for source in sources]
        self._older.pop(figure, None)
        self._forgotten.append(figure)
        return ()

    def dead(self, limit: int) -> list[bytes]:
        """The next keys in the store of figures forgotten, to be deleted there before this is asked again."""
        found: list[bytes] = []
        while self._store is not None and self._forgotten and len(found) < limit:
            room = limit - len(found)
            more = [key for key, _ in islice(self._store.scan(member_key(self._forgotten[0], b"")), room)]
            found += more
            if len(more) < room:
                self._forgotten.popleft()
        return found
