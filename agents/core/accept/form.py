"""The form of one event, checked by hand: the verdict of :mod:`agents.core.accept.decode` for a twentieth of its time.

Whoever may write to raw chooses how much is refused, so a refusal may not cost much more than an event that counts.
What the fields of ``data`` may hold is declared in the catalogue; a property test holds both verdicts equal.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from agents.core.accept.event_struct import parse_usual_time
from agents.core.shared.records import Event, Refusal
from schemas.catalogue.fields import Check
from schemas.catalogue.types import CONSENT, EventType
from schemas.limits import COMPANY_PATTERN, MAX_NAME_BYTES
from schemas.reasons import Reason
from schemas.wire.envelope import parse_sequence

__all__ = ["Fault", "FormCheck", "is_company"]

Fault = tuple[Reason, str]
_Checked = tuple[str, Check, bool, Fault]
_REMEMBERED: Final = 20_000
_SURELY_SHORT: Final = MAX_NAME_BYTES // 4
_NOTHING: Final[Mapping[str, Any]] = {}
_is_company: Final = re.compile(COMPANY_PATTERN).fullmatch
_companies: set[str] = set()

# Each fault is one object, so that alike ones are told from others at once.
_NO_OBJECT: Final[Fault] = (Reason.NOT_CLOUDEVENTS, "")
_NO_SPECVERSION: Final[Fault] = (Reason.NOT_CLOUDEVENTS, "/specversion")
_TOO_LONG: Final[tuple[Fault, ...]] = tuple(
    (Reason.TOO_LARGE, path) for path in ("/id", "/source", "/installation", "/data/user")
)
_BAD_USER: Final[Fault] = (Reason.BAD_FIELD, "/data/user")
_BAD_TIME: Final[Fault] = (Reason.BAD_TIME, "/time")


def is_company(name: str) -> bool:
    """Whether a company may have this name."""
    if name in _companies:
        return True
    if not _is_company(name):
        return False
    if len(_companies) >= _REMEMBERED:
        _companies.clear()
    _companies.add(name)
    return True


def _checks(entry: EventType) -> list[_Checked]:
    """Name, check, whether it must be there, and fault of each field beside ``user``, in order."""
    return [
        (field.name, field.check(), field.required, (Reason.BAD_FIELD, f"/data/{field.name}")) for field in entry.fields
    ]


def _is_text(value: object) -> bool:
    return type(value) is str and value != ""


def _is_source(value: object) -> bool:
    return type(value) is str and value != "" and value[0] != "#"


def _is_sequence(value: object) -> bool:
    if type(value) is int or type(value) is str:
        try:
            parse_sequence(value)
        except ValueError:
            return False
        return True
    return value is None


_BEFORE_TYPE: Final[tuple[tuple[str, Check, Fault], ...]] = (
    ("specversion", lambda value: value == "1.0", _NO_SPECVERSION),
    ("id", _is_text, (Reason.NOT_CLOUDEVENTS, "/id")),
    ("source", _is_source, (Reason.NOT_CLOUDEVENTS, "/source")),
    ("type", _is_text, (Reason.NOT_CLOUDEVENTS, "/type")),
)
"""Whether each is right by itself, and the fault where it is not, in the order in which that is decided."""
_BEHIND_TYPE: Final[tuple[tuple[str, Check, Fault], ...]] = (
    ("company", lambda value: type(value) is str and is_company(value), (Reason.BAD_FIELD, "/company")),
    ("sequence", _is_sequence, (Reason.BAD_FIELD, "/sequence")),
    ("installation", lambda value: value is None or _is_source(value), (Reason.BAD_FIELD, "/installation")),
    ("data", lambda value: value is None or type(value) is dict, (Reason.BAD_FIELD, "/data")),
)


class FormCheck:
    """Looks at events of the types of one catalogue."""

    __slots__ = ("_attributes", "_fields", "_types")

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self._types = types
        self._fields = {name: _checks(entry) for name, entry in types.items()}
        known: tuple[str, Check, Fault] = ("type", types.__contains__, (Reason.UNKNOWN_TYPE, "/type"))
        self._attributes = (*_BEFORE_TYPE, known, *_BEHIND_TYPE)

    def look(self, content: object, index: int | None) -> Event | Fault:
        """The event that ``content``, parsed JSON, is, or the first fault that it has in the contract's order."""
        if not content or type(content) is not dict:  # an empty object is the fault that costs its writer least
            return _NO_SPECVERSION if type(content) is dict else _NO_OBJECT
        get: Callable[[str], Any] = content.get
        data = get("data")
        fields: Mapping[str, Any] = data if type(data) is dict else _NOTHING
        source, installation, user = get("source"), get("installation"), fields.get("user")
        for name, fault in zip((get("id"), source, installation, user), _TOO_LONG, strict=True):
            if type(name) is str and len(name) > _SURELY_SHORT and len(name.encode()) > MAX_NAME_BYTES:
                return fault
        for attribute, check, fault in self._attributes:
            if not check(get(attribute)):
                return fault
        entry = self._types[get("type")]
        if (wrong := _field_fault(self._fields[entry.name], fields, user)) is not None:
            return wrong
        try:
            time = parse_usual_time(get("time"))
        except (ValueError, TypeError):
            return _BAD_TIME
        sequence = get("sequence")
        return Event(
            index,
            get("id"),
            source,
            entry.name,
            get("company"),
            time,
            parse_sequence(sequence) if type(sequence) is str else sequence,
            source if installation is None else installation,
            user,
            entry.filled([fields.get(name) for name in entry.allowed]),
            (fields["scope"], fields["granted"]) if entry.name == CONSENT else None,
            entry.amounts([fields.get(name) for name in entry.measured]),
        )

    def look_through(self, content: Sequence[object]) -> list[Event | Refusal]:
        """As :meth:`look`, of the items of a batch; alike refusals of neighbours are one."""
        found: list[Event | Refusal] = []
        last: Fault | None = None
        first = count = 0
        look = self.look
        for index, item in enumerate(content):
            seen = look(item, index) if type(item) is dict else _NO_OBJECT
            if seen is last:
                count += 1
                continue
            if last is not None:
                found.append(Refusal(first, *last, count))
            if type(seen) is Event:
                found.append(seen)
                last = None
            else:
                last, first, count = cast("Fault", seen), index, 1
        if last is not None:
            found.append(Refusal(first, *last, count))
        return found


def _field_fault(checks: Iterable[_Checked], fields: Mapping[str, Any], user: object) -> Fault | None:
    """The first field of ``data`` that is wrong for its type."""
    if user is not None and not _is_text(user):
        return _BAD_USER
    for name, check, is_required, fault in checks:
        value = fields.get(name)
        if is_required if value is None else not check(value):
            return fault
    return None
