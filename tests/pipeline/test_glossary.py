"""Each term of the glossary is explained once, in a sentence, and lives where the glossary says."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"^\| ([a-z][a-z -]*) \| (.+) \| (`.+`) \|$", PAGE, re.MULTILINE)
TERMS = [term for term in TERMS if term[0] != "term"]


def found(path: str) -> object:
    """What a dotted path names: a module, then names in it."""
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for name in parts[size:]:
            thing = getattr(thing, name)
        return thing
    raise ModuleNotFoundError(path)


@pytest.mark.parametrize(("term", "meaning", "places"), TERMS, ids=[term for term, _, _ in TERMS])
def test_a_term_lives_where_the_glossary_says(term: str, meaning: str, places: str) -> None:
    assert re.match(r"[A-Z*].*[.]$", meaning), term
    for place in re.findall("`([^`]+)`", places):
        assert "." in place
        assert found(place) is not None


def test_every_line_is_read_and_no_term_is_explained_twice() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| term", "| ---"))]
    assert len(rows) == len(TERMS) == len({term for term, _, _ in TERMS})
