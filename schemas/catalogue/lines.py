"""Where in a TOML text a key stands; :mod:`tomllib` does not tell."""

import re
import tomllib
from collections.abc import Sequence
from typing import Final

__all__ = ["Lines"]

_HEADER: Final = re.compile(r"\s*\[+([^\[\]#]+)\]+\s*(?:#.*)?")
_KEY: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


class Lines:
    """Lines by path of keys, each counted from 1; of a text that is TOML."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, ...], int] = {(): 1}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.fullmatch(line):
                table = _path(header[1])
                self._found.setdefault(table, number)
            elif key := _KEY.match(line):
                self._found.setdefault((*table, *_path(key[1])), number)

    def of(self, path: Sequence[str]) -> int:
        """The line of the key, or of the nearest table or key above it."""
        for size in range(len(path), -1, -1):
            if (found := self._found.get(tuple(path[:size]))) is not None:
                return found
        return 1


def _path(text: str) -> tuple[str, ...]:
    """The keys of a dotted one; empty where it is none, as within a text of many lines."""
    try:
        parsed = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(parsed, dict):
        ((name, parsed),) = parsed.items()
        path.append(name)
    return tuple(path)
