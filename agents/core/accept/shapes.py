"""Which values the fields of a type may have, remembered for those that were seen lately."""

from collections.abc import Mapping
from typing import Final

from schemas.catalogue.fields import Check, Field
from schemas.catalogue.types import EventType

__all__ = ["Shapes"]

_REMEMBERED: Final = 20_000


class Shapes:
    """Of the types of one catalogue."""

    __slots__ = ("_checks", "_known", "_others", "types")

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self.types = types
        self._checks = {name: [_may_hold(each) for each in entry.dimensions] for name, entry in types.items()}
        self._others = {
            name: tuple([(each.name, _may_hold(each)) for each in entry.fields if each not in entry.dimensions])
            for name, entry in types.items()
        }
        self._known: set[tuple[str, tuple[str | None, ...]]] = set()

    def is_known(self, kind: str, values: tuple[str | None, ...]) -> bool:
        """Whether an event of this type may have these values of its allowed fields, None where one is absent."""
        if (kind, values) in self._known:
            return True
        if not all(check(value) for check, value in zip(self._checks[kind], values, strict=True)):
            return False
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add((kind, values))
        return True

    def may_hold(self, kind: str, data: object) -> bool:
        """Whether the other fields of the type, attributes of ``data``, hold what they may."""
        return all(check(getattr(data, name)) for name, check in self._others[kind])


def _may_hold(field: Field) -> Check:
    """Whether the field of a good event may hold a value, None where it is absent."""
    check = field.check()
    return check if field.required else lambda value: value is None or check(value)
