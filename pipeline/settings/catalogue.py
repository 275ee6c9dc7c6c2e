"""The catalogue that ``FOOTFALL_CATALOGUE`` names, beside the built-in types and metrics."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from pipeline.errors import StartupError
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.loading import CatalogueMistakesError, read_catalogue

__all__ = ["catalogue_of", "catalogue_text"]

_MOST_BYTES: Final = 10_000_000


def catalogue_text(path: Path) -> str:
    """What the file holds; refuses one that cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise StartupError(f"the catalogue {path} cannot be read", f"mend that: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise StartupError(f"the catalogue {path} is too large", f"give a file of at most {_MOST_BYTES:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise StartupError(f"the catalogue {path} is not UTF-8", "write it again as UTF-8") from None


@lru_cache(maxsize=16)
def catalogue_of(path: Path | None) -> Catalogue:
    """The built-in catalogue with what the file adds; read once a process, so that a process knows but one."""
    if path is None:
        return BUILT_IN
    try:
        return read_catalogue(catalogue_text(path))
    except CatalogueMistakesError as error:
        count = len(error.mistakes)
        mistakes = "a mistake" if count == 1 else f"{count} mistakes, the first"
        raise StartupError(
            f"the catalogue {path} has {mistakes} in line {error.mistakes[0].line}: {error.mistakes[0].what}",
            f"{error.mistakes[0].do}; footfall catalogue check tells all",
        ) from None
