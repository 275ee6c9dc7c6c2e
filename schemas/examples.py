"""Events as a product sends them, good and bad, from the files below ``examples/``: for tests, pages and simulation.

``good/NAME.json`` is one event, named after its type. ``bad/REASON.WHAT.json`` says what is wrong, with the reason and
path under which it is rejected: as a JSON merge patch (RFC 7396) of a good one, or as the text of a whole record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from schemas.reasons import Reason

__all__ = ["EXAMPLE_CATALOGUE", "BadExample", "bad_examples", "good_examples", "merge_patch"]


EXAMPLE_CATALOGUE: Final = Path(__file__).with_name("examples") / "catalogue.toml"
"""A catalogue of one's own with metrics of several kinds, as ``FOOTFALL_CATALOGUE`` names one."""


@dataclass(frozen=True, slots=True)
class BadExample:
    """One way in which form is not kept; ``patch`` changes the good example ``of``, or ``text`` is the record."""

    because: str
    reason: Reason
    path: str
    of: str | None = None
    patch: Mapping[str, Any] | None = None
    text: str | None = None

    def record(self, event: Mapping[str, Any] | None = None) -> bytes:
        """The value of the raw record: ``text``, or ``event`` (the good example without one) with the patch on it."""
        if self.text is not None:
            return self.text.encode()
        return json.dumps(merge_patch(event or good_examples()[self.of or ""], self.patch)).encode()


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7396: objects are merged, ``null`` removes, anything else replaces.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _read(kind: str) -> dict[str, Any]:
    folder = files("schemas").joinpath("examples", kind)
    found = ((entry.name.removesuffix(".json"), entry.read_text("utf-8")) for entry in folder.iterdir())
    return {name: json.loads(text) for name, text in sorted(found)}


@cache
def good_examples() -> Mapping[str, Mapping[str, Any]]:
    """Every good event by the name of its file: its type, and what is special about it."""
    return _read("good")


@cache
def bad_examples() -> Mapping[str, BadExample]:
    """Every bad one by the name of its file."""
    return {name: BadExample(**{**entry, "reason": Reason(entry["reason"])}) for name, entry in _read("bad").items()}
