"""What a catalogue changes of another one that is in force, and what of that is not allowed.

An entry that was in force keeps its name and its meaning for good, since its figures do: it may be retired and taken up
again, a type may get further fields at its end and a choice further values at its end, and any title may be reworded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.fields import Field
from schemas.catalogue.metrics import Metric
from schemas.catalogue.types import EventType

__all__ = ["Change", "ChangeKind", "changes"]


class ChangeKind(StrEnum):
    """What becomes of an entry."""

    NEW = "new"
    GROWN = "grown"
    REWORDED = "reworded"
    RETIRED = "retired"
    TAKEN_UP = "taken up again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the entry ``name``; ``what`` is "type" or "metric", ``more`` says what to know or to do about it."""

    what: str
    name: str
    kind: ChangeKind
    more: str


def changes(old: Catalogue, new: Catalogue) -> Iterator[Change]:
    """What ``new`` changes of ``old``, types first."""
    for name in dict.fromkeys((*old.types, *new.types)):
        found = _of_type(old.types.get(name), new.types.get(name))
        if found is not None:
            yield Change("type", name, *found)
    for name in dict.fromkeys((*old.metrics, *new.metrics)):
        found = _of_metric(old.metrics.get(name), new.metrics.get(name))
        if found is not None:
            yield Change("metric", name, *found)


_Found = tuple[ChangeKind, str]
_GONE: _Found = (ChangeKind.REFUSED, "it is in force: keep it, with retired = true")


def _of_type(old: EventType | None, new: EventType | None) -> _Found | None:
    if new is None:
        return _GONE
    if old is None:
        return ChangeKind.NEW, "events that came before were refused as unknown-type and stay so"
    if replace(new, title=old.title) == old:
        return None if new == old else (ChangeKind.REWORDED, "nothing is counted otherwise")
    fields = old.fields == new.fields
    if replace(new, title=old.title, retired=old.retired, fields=old.fields) != old or not (fields or _grew(old, new)):
        return ChangeKind.REFUSED, "an entry in force never gets another meaning: use another name"
    if new.retired is not old.retired:
        return _retired(retired=new.retired, of="events of it are unknown-type from then on")
    must = [field.name for field in new.fields[len(old.fields) :] if field.required]
    more = f"events without {', '.join(must)} are refused from then on" if must else "events may say more from then on"
    return ChangeKind.GROWN, more


def _grew(old: EventType, new: EventType) -> bool:
    """Whether fields and choices were only added, each at the end."""
    return len(new.fields) >= len(old.fields) and all(
        _grew_choices(before, after) for before, after in zip(old.fields, new.fields, strict=False)
    )


def _grew_choices(old: Field, new: Field) -> bool:
    return replace(new, choices=old.choices) == old and new.choices[: len(old.choices)] == old.choices


def _of_metric(old: Metric | None, new: Metric | None) -> _Found | None:
    if new is None:
        return _GONE
    if old is None:
        return ChangeKind.NEW, "counted from then on; footfall replay fills in what clean still holds"
    if new == old:
        return None
    alike = replace(new, title=old.title, requirement=old.requirement, retired=old.retired) == old
    if not alike:
        return ChangeKind.REFUSED, "an entry in force never gets another meaning: use another name"
    if new.retired is not old.retired:
        return _retired(retired=new.retired, of="its figures close as they stand")
    return ChangeKind.REWORDED, "nothing is counted otherwise"


def _retired(*, retired: bool, of: str) -> _Found:
    return (ChangeKind.RETIRED, of) if retired else (ChangeKind.TAKEN_UP, "counted again from then on")
