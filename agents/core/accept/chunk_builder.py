"""Building the columns of a clean chunk, one counted event after the other or many at once."""

from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.wire.columns import Column, column

__all__ = ["ChunkBuilder", "Row"]

Row = tuple[int, int, int, int, int, int, int]
"""Offset, time, closing watermark before, then the numbers of company, shape, user (-1: none) and source."""
_WIDTH = 7


class ChunkBuilder:
    """The counted events of a chunk that begins at raw offset ``first``; ``add`` appends one."""

    __slots__ = ("_columns", "_companies", "_first", "_rows", "_shapes", "_sources", "_users", "add", "measures")

    def __init__(self, first: int) -> None:
        self._first = first
        self._companies: dict[str, int] = {}
        self._shapes: dict[tuple[str, tuple[str, ...], int], int] = {}
        self._users: dict[bytes, int] = {}
        self._sources: dict[bytes, int] = {}
        self._columns: tuple[Column, ...] = tuple(column() for _ in range(_WIDTH))
        self.measures: Column = column()
        """Of the events in the order in which they are added."""
        self._rows: list[Row] = []
        self.add = self._rows.append

    def company(self, name: str) -> int:
        """Its number in this chunk."""
        return self._companies.setdefault(name, len(self._companies))

    def shape(self, kind: str, values: tuple[str, ...], measures: int = 0) -> int:
        """Its number in this chunk; each of its events holds so many measures."""
        return self._shapes.setdefault((kind, values, measures), len(self._shapes))

    def user(self, pseudonym: bytes) -> int:
        """Its number in this chunk."""
        return self._users.setdefault(pseudonym, len(self._users))

    def source(self, pseudonym: bytes) -> int:
        """Its number in this chunk."""
        return self._sources.setdefault(pseudonym, len(self._sources))

    def columns(self) -> tuple[Column, ...]:
        """One column for each number of a :data:`Row`, to be appended to before ``add`` is called again."""
        if self._rows:
            for numbers, more in zip(self._columns, zip(*self._rows, strict=True), strict=True):
                numbers.extend(more)
            self._rows.clear()
        return self._columns

    def build(
        self, last: int, event_watermark: int, closing_watermark: int, digest: str, number: int = 0
    ) -> CleanChunk:
        """The chunk up to raw offset ``last`` with what holds after it: watermarks, digest, control records so far."""
        return CleanChunk(
            CLEAN_VERSION,
            self._first,
            last,
            event_watermark,
            closing_watermark,
            digest,
            number,
            list(self._companies),
            [Shape(*shape) for shape in self._shapes],
            list(self._users),
            list(self._sources),
            *(*self.columns(), self.measures),
        )
