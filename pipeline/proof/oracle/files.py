"""A raw topic from a file: one JSON object a line."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.errors import StartupError
from pipeline.kafka.stored import StoredRecord
from schemas.times import parse_time

__all__ = ["read_file"]

_LAST_TIME: Final = parse_time("2999-12-31T23:59:59.999Z")
_FORM = (
    'give one object a line: {"partition": 0, "offset": 0, "append_time": 1793527200000, "key": "acme", '
    '"value": {...}}; append_time in milliseconds or RFC 3339, key_base64 and value_base64 for other bytes'
)


def read_file(path: Path | str) -> list[StoredRecord]:
    """The records in the NDJSON file ``path``, by partition and offset.

    A line is ``{"partition", "offset", "append_time", "key", "value", "headers"}``: ``append_time`` in
    milliseconds since 1970 or RFC 3339; ``key`` and ``value`` text or null, or ``key_base64`` and
    ``value_base64``; ``value`` may be the event or batch itself; ``headers``, optional, an object or an array of
    [name, text] pairs; ``unreadable_to``, optional, the last offset of bytes that
    hold no records. Empty lines are passed over. Raises :class:`pipeline.errors.StartupError` for anything else.
    """
    records = []
    seen: set[tuple[int, int]] = set()
    try:
        with Path(path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                record = _read_line(line, f"line {number} of {path}")
                if (record.partition, record.offset) in seen:
                    raise StartupError(f"line {number} of {path} repeats an offset", "give each record once")
                seen.add((record.partition, record.offset))
                records.append(record)
    except OSError as error:
        raise StartupError(f"{path} cannot be read ({error.strerror})", "name a file of raw records") from error
    return sorted(records, key=lambda record: (record.partition, record.offset))


def _read_line(line: bytes, where: str) -> StoredRecord:
    try:
        given = json.loads(line.decode())
        if not isinstance(given, dict):
            raise TypeError
        # The contract writes "append time"; a space in a name is as good as an underscore.
        given = {name.replace(" ", "_"): item for name, item in given.items()}
        return StoredRecord(
            _number(given["partition"]),
            _number(given["offset"]),
            _time(given["append_time"]),
            _bytes(given, "key"),
            _bytes(given, "value"),
            _headers(given.get("headers")),
            None if given.get("unreadable_to") is None else _number(given["unreadable_to"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        # Nothing of the line goes into the message: it may be personal.
        raise StartupError(f"{where} is no raw record", _FORM) from None


def _number(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise TypeError
    return given


def _time(given: object) -> int:
    if isinstance(given, str):
        return parse_time(given)
    if (time := _number(given)) > _LAST_TIME:
        raise ValueError("year out of range")
    return time


def _bytes(given: Mapping[str, Any], name: str) -> bytes | None:
    packed = given.get(f"{name}_base64")
    if packed is not None:
        return base64.b64decode(packed, validate=True)
    plain = given.get(name)
    if plain is None:
        return None
    if isinstance(plain, str):
        return plain.encode()
    if name == "value" and isinstance(plain, dict | list):
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    raise TypeError


def _headers(given: object) -> tuple[tuple[str, bytes | None], ...]:
    pairs = [] if given is None else list(given.items()) if isinstance(given, dict) else given
    if not isinstance(pairs, list):
        raise TypeError
    headers = []
    for name, content in pairs:
        if not isinstance(name, str) or not isinstance(content, str | None):
            raise TypeError
        headers.append((name, None if content is None else content.encode()))
    return tuple(headers)
