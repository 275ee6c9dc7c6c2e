"""A raw record read by form alone, by the authority: strict JSON, then the pydantic models of the contract.

Slow and exact: what the contract means. Workers read by :mod:`agents.core.accept.fast_decode`, to the same verdict. The
first reason in the contract's order is given, and of one reason the first field in its order.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from agents.core.accept.strict_json import NotJsonError, parse, too_deep
from agents.core.shared.records import Decoded, Event, RawRecord, Refusal
from schemas.catalogue.models import Data, NameTooLongError
from schemas.catalogue.types import CONSENT, EVENT_TYPES, EventType
from schemas.limits import MAX_EVENTS, MAX_RECORD_BYTES
from schemas.reasons import DECISION_ORDER, Reason
from schemas.times import parse_time
from schemas.wire.envelope import Envelope, parse_sequence

__all__ = ["decode_strictly", "record_bytes"]

_ORDER: Final = {reason: rank for rank, reason in enumerate(DECISION_ORDER)}
_REASON_OF: Final = {
    "specversion": Reason.NOT_CLOUDEVENTS,
    "id": Reason.NOT_CLOUDEVENTS,
    "source": Reason.NOT_CLOUDEVENTS,
    "type": Reason.NOT_CLOUDEVENTS,
    "company": Reason.BAD_FIELD,
    "sequence": Reason.BAD_FIELD,
    "installation": Reason.BAD_FIELD,
    "data": Reason.BAD_FIELD,
    "time": Reason.BAD_TIME,
}
_FIELDS: Final = {name: rank for rank, name in enumerate(_REASON_OF)}


def record_bytes(record: RawRecord) -> int:
    """Bytes of key, value and headers together, uncompressed."""
    # Names are joined first: of many that are short each by itself would cost more than all it holds.
    names = "".join([name for name, _ in record.headers]).encode("utf-8", "surrogateescape")
    size = len(record.key or b"") + len(record.value or b"") + len(names)
    return size + sum([len(value) for _, value in record.headers if value])


def decode_strictly(record: RawRecord, types: Mapping[str, EventType] = EVENT_TYPES) -> Decoded:
    """Every event of the record, or why not, in raw order; never raises."""
    value = record.value or b""
    if record_bytes(record) > MAX_RECORD_BYTES or too_deep(value):
        return _refused(Reason.TOO_LARGE)
    try:
        content = parse(value)
    except NotJsonError:
        return _refused(Reason.NOT_JSON)
    if isinstance(content, dict):
        return Decoded((_judge(content, None, types),))
    if not isinstance(content, list):
        return _refused(Reason.NOT_CLOUDEVENTS)
    if len(content) > MAX_EVENTS:
        return _refused(Reason.TOO_LARGE)
    return Decoded(tuple(_judge(item, index, types) for index, item in enumerate(content)))


def _refused(reason: Reason) -> Decoded:
    return Decoded((Refusal(None, reason, ""),))


def _judge(content: object, index: int | None, types: Mapping[str, EventType] = EVENT_TYPES) -> Event | Refusal:
    if not isinstance(content, dict):
        return Refusal(index, Reason.NOT_CLOUDEVENTS, "")
    try:
        envelope = Envelope.model_validate(content)
        entry = types[envelope.type]
        data = entry.data.model_validate(envelope.data)
    except (ValidationError, KeyError):
        return Refusal(index, *_first_fault(content, types))
    return _event(envelope, entry, data, index)


def _event(envelope: Envelope, entry: EventType, data: Data, index: int | None) -> Event:
    fields = data.model_dump()
    return Event(
        index=index,
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        company=envelope.company,
        time=parse_time(envelope.time),
        sequence=None if envelope.sequence is None else parse_sequence(envelope.sequence),
        installation=envelope.source if envelope.installation is None else envelope.installation,
        user=data.user,
        values=entry.filled([fields[name] for name in entry.allowed]),
        consent=(fields["scope"], fields["granted"]) if entry.name == CONSENT else None,
        measures=entry.amounts([fields[name] for name in entry.measured]),
    )


def _first_fault(content: Mapping[str, Any], types: Mapping[str, EventType]) -> tuple[Reason, str]:
    """The fault that is decided first, of a content that has one."""
    faults = [(reason, _FIELDS[path[0]], rank, path) for reason, rank, path in _faults(content, types)]
    reason, _, _, path = min(faults, key=lambda fault: (_ORDER[fault[0]], *fault[1:3]))
    return reason, "/" + "/".join(path)


def _faults(content: Mapping[str, Any], types: Mapping[str, EventType]) -> list[tuple[Reason, int, tuple[str, ...]]]:
    found: list[tuple[Reason, int, tuple[str, ...]]] = []
    for name, error in _errors(Envelope, content):
        reason = _REASON_OF[name]
        if isinstance(error, NameTooLongError):
            reason = Reason.TOO_LARGE
        found.append((reason, 0, (name,)))
    kind = content.get("type")
    entry = types.get(kind) if isinstance(kind, str) else None
    if entry is None and isinstance(kind, str) and kind:
        found.append((Reason.UNKNOWN_TYPE, 0, ("type",)))
    data = content.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return found
    model = Data if entry is None else entry.data
    ranks = {name: rank for rank, name in enumerate(model.model_fields)}
    for name, error in _errors(model, data):
        reason = Reason.TOO_LARGE if isinstance(error, NameTooLongError) else Reason.BAD_FIELD
        if entry is not None or reason is Reason.TOO_LARGE:
            found.append((reason, ranks[name], ("data", name)))
    return found


def _errors(model: type[BaseModel], content: object) -> list[tuple[str, object]]:
    """(field, the cause where a validator of ours raised) of each error."""
    try:
        model.model_validate(content)
    except ValidationError as caught:
        details = caught.errors(include_url=False, include_input=False)
        return [(str(detail["loc"][0]), detail.get("ctx", {}).get("error")) for detail in details]
    return []
