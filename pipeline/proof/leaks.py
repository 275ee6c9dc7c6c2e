"""Looking for planted personal data everywhere but in the raw zone: topics, logs, metrics, state files."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pipeline.kafka.reader import StoredRecord

__all__ = ["LeakSearch"]


class LeakSearch:
    """Counts in which places any of ``needles`` was found; it never keeps or shows what was found."""

    def __init__(self, needles: Iterable[str | bytes]) -> None:
        texts = {needle.encode() if isinstance(needle, str) else needle for needle in needles}
        if not texts:
            msg = "a search for nothing finds nothing: give at least one planted value"
            raise ValueError(msg)
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        self._pattern = re.compile(b"|".join(map(re.escape, ordered)))
        self.places: Counter[str] = Counter()
        self.searched = 0

    def look(self, place: str, data: bytes | None) -> None:
        """Search ``data``; a hit is counted under ``place``."""
        if data:
            self.searched += len(data)
            if self._pattern.search(data):
                self.places[place] += 1

    def records(self, place: str, records: Iterable[StoredRecord]) -> None:
        """Search keys, values and headers of records, many in one go."""
        parts: list[bytes] = []
        size = 0
        for record in records:
            for part in (record.key, record.value, *(item for pair in record.headers for item in _header(pair))):
                if part:
                    parts.append(part)
                    size += len(part)
            if size > 1 << 20:
                self.look(place, b"\0".join(parts))
                parts, size = [], 0
        self.look(place, b"\0".join(parts))

    def folder(self, place: str, folder: Path, *, leave_out: Iterable[str] = ()) -> None:
        """Search every file below ``folder``, and its name, save those whose path holds a part of ``leave_out``."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not any(part in str(path) for part in leave_out):
                self.look(f"{place}: name of a file", path.name.encode())
                self.look(f"{place}: {path.name}", path.read_bytes())


def _header(pair: tuple[str, bytes | None]) -> tuple[bytes, bytes]:
    return pair[0].encode("utf-8", "surrogateescape"), pair[1] or b""
