"""Building the columns of a clean chunk, one counted event after the other."""

from agents.core.records import Event
from schemas.clean import CLEAN_VERSION, CleanChunk, Shape

__all__ = ["ChunkBuilder"]


class ChunkBuilder:
    """The counted events of a chunk that begins at raw offset ``first``."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._companies: dict[str, int] = {}
        self._shapes: dict[tuple[str, tuple[str, ...]], int] = {}
        self._users: dict[bytes, int] = {}
        self._sources: dict[bytes, int] = {}
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []

    def add(self, event: Event, offset: int, closing: int, source: bytes, user: bytes | None) -> None:
        """Append a counted event; ``closing`` is the closing watermark before its record."""
        self._rows.append(
            (
                offset,
                event.time,
                closing,
                self._companies.setdefault(event.company, len(self._companies)),
                self._shapes.setdefault((event.type, event.values), len(self._shapes)),
                -1 if user is None else self._users.setdefault(user, len(self._users)),
                self._sources.setdefault(source, len(self._sources)),
            )
        )

    def build(self, last: int, event_watermark: int, closing_watermark: int, digest: str) -> CleanChunk:
        """The chunk up to raw offset ``last`` with the watermarks and the digest after it."""
        columns = [list(column) for column in zip(*self._rows, strict=True)] or [[] for _ in range(7)]
        return CleanChunk(
            CLEAN_VERSION,
            self._first,
            last,
            event_watermark,
            closing_watermark,
            digest,
            list(self._companies),
            [Shape(kind, values) for kind, values in self._shapes],
            list(self._users),
            list(self._sources),
            *columns,
        )
