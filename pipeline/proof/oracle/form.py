"""The oracle's reading of one record: strict JSON, then the form of each event (design 1.2, 1.4).

Written from the contract alone: it shares nothing with the agents but the schemas.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from schemas.catalogue.models import Data
from schemas.catalogue.types import CONSENT, EventType
from schemas.limits import MAX_DEPTH, MAX_EVENTS, MAX_NAME_BYTES, MAX_RECORD_BYTES
from schemas.reasons import Reason
from schemas.times import parse_time
from schemas.wire.envelope import Envelope, parse_sequence

__all__ = ["Fault", "RawEvent", "read_record"]

Types = Mapping[str, EventType]
_NAMES = ("id", "source", "installation")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
"""A JSON string, or what has begun as one."""


class RawEvent(NamedTuple):
    """A well-formed event; ``place`` is its JSON pointer, ``time`` in milliseconds since 1970 UTC."""

    place: str
    id: str
    source: str
    type: str
    company: str
    time: int
    sequence: int | None
    installation: str
    user: str | None
    values: dict[str, str]
    consent: tuple[str, bool] | None
    numbers: dict[str, int]
    """Fields that are numbers and there; a flag is 0 or 1."""

    @property
    def base(self) -> str:
        """The source without its incarnation."""
        return self.source.partition("#")[0]

    @property
    def deployment(self) -> str:
        """The installation without its incarnation."""
        return self.installation.partition("#")[0]


class Fault(NamedTuple):
    """Why a record or one of its events is not well-formed."""

    reason: Reason
    path: str


class _NotJsonError(Exception):
    pass


def read_record(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]], types: Types
) -> list[RawEvent | Fault]:
    """What a record says, one entry an event of ``types`` in order, or a single fault of the whole record."""
    size = len(key or b"") + len(value or b"")
    size += sum(len(name.encode()) + len(content or b"") for name, content in headers)
    if size > MAX_RECORD_BYTES or _is_too_deep(value or b""):
        return [Fault(Reason.TOO_LARGE, "")]
    try:
        parsed = _parse(value or b"")
    except _NotJsonError:
        return [Fault(Reason.NOT_JSON, "")]
    if not isinstance(parsed, list):
        return [_read_event(parsed, "", types)]
    if len(parsed) > MAX_EVENTS:
        return [Fault(Reason.TOO_LARGE, "")]
    return [_read_event(item, f"/{index}", types) for index, item in enumerate(parsed)]


def _is_too_deep(value: bytes) -> bool:
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for char in _TEXT.sub(b"", value):
        if char in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif char in b"]}":
            depth -= 1
    return False


def _refuse(_constant: str) -> NoReturn:
    raise _NotJsonError


def _whole_number(text: str) -> int:
    # Python refuses to read integers of thousands of digits; any that long is out of every range here.
    return int(text) if len(text) < 100 else 1 << 200


def _parse(value: bytes) -> Any:
    try:
        text = value.decode()
        parsed = json.loads(text, parse_constant=_refuse, parse_int=_whole_number)
        if "\\u" in text:
            _every_text_is_unicode(text)
    except ValueError:
        raise _NotJsonError from None
    return parsed


def _every_text_is_unicode(text: str) -> None:
    # Pairs, not objects: also a member that a later one of the same name replaces must be text.
    pairs = json.loads(text, parse_int=_whole_number, object_pairs_hook=list)
    json.dumps(pairs, ensure_ascii=False).encode()


def _read_event(parsed: object, place: str, types: Types) -> RawEvent | Fault:
    if not isinstance(parsed, dict):
        return Fault(Reason.NOT_CLOUDEVENTS, place)
    try:
        envelope = Envelope.model_validate(parsed)
        entry = types[envelope.type]
        data = entry.data.model_validate(envelope.data)
    except (ValidationError, KeyError):
        reason, path = next(_faults(parsed, types))
        return Fault(reason, place + path)
    fields = data.model_dump()
    values = {each.name: each.absent if fields[each.name] is None else fields[each.name] for each in entry.dimensions}
    consent = (fields["scope"], fields["granted"]) if entry.name == CONSENT else None
    numbers = {each.name: int(fields[each.name]) for each in entry.measures if fields[each.name] is not None}
    return RawEvent(
        place,
        envelope.id,
        envelope.source,
        envelope.type,
        envelope.company,
        parse_time(envelope.time),
        None if envelope.sequence is None else parse_sequence(envelope.sequence),
        envelope.source if envelope.installation is None else envelope.installation,
        data.user,
        values,
        consent,
        numbers,
    )


def _faults(parsed: dict[str, Any], types: Types) -> Iterator[tuple[Reason, str]]:
    """Why an event is not well-formed, in the contract's order of reasons; only the first is to be relied upon."""
    data = {} if parsed.get("data") is None else parsed["data"]
    for name in _NAMES:
        if _is_too_long(parsed.get(name)):
            yield Reason.TOO_LARGE, f"/{name}"
    if isinstance(data, dict) and _is_too_long(data.get("user")):
        yield Reason.TOO_LARGE, "/data/user"
    wrong = _wrong_attributes(parsed)
    for name in ("specversion", "id", "source", "type"):
        if name in wrong:
            yield Reason.NOT_CLOUDEVENTS, f"/{name}"
    if parsed["type"] not in types:
        yield Reason.UNKNOWN_TYPE, "/type"
    for name in ("company", "sequence", "installation", "data"):
        if name in wrong:
            yield Reason.BAD_FIELD, f"/{name}"
    for name in _wrong_fields(types[parsed["type"]].data, data):
        yield Reason.BAD_FIELD, f"/data/{name}"
    yield Reason.BAD_TIME, "/time"


def _wrong_fields(model: type[Data], data: object) -> list[str]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        wrong = {item["loc"][0] for item in error.errors(include_url=False)}
        return [name for name in model.model_fields if name in wrong]
    return []


def _wrong_attributes(parsed: dict[str, Any]) -> set[object]:
    """The attributes that the envelope refuses."""
    try:
        Envelope.model_validate(parsed)
    except ValidationError as error:
        return {item["loc"][0] for item in error.errors(include_url=False)}
    return set()


def _is_too_long(name: object) -> bool:
    return isinstance(name, str) and len(name.encode()) > MAX_NAME_BYTES
