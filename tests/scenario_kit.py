"""What a named example is made of: records of the raw topic, and the figures and rejections worked out by hand."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import OracleKeys
from pipeline.proof.oracle.homes import home_of
from schemas.deciding import Deciding
from schemas.reasons import Reason
from schemas.times import parse_time
from tests.control_kit import ORACLE_KEYS, TOPIC, signed

Headers = tuple[tuple[str, bytes | None], ...]
PARTITIONS = 4


@dataclass(frozen=True)
class Record:
    """One record to append; ``partition`` None is the key's home; ``append_time`` in ms.

    A ``copy`` is what ``anonymize`` appends for a misplaced record: leave it out where the real one runs.
    """

    key: bytes | None
    value: bytes | None
    append_time: int
    headers: Headers = ()
    partition: int | None = None
    copy: bool = False

    def at(self) -> int:
        """The partition where it lies."""
        return home_of(self.key or b"acme", PARTITIONS) if self.partition is None else self.partition


@dataclass(frozen=True)
class Scenario:
    """Records in order, and what comes of them.

    ``expected`` maps an aggregate id to (value, status); of the metrics in ``complete`` it names every figure.
    ``rejected`` holds (path, reason) of all rejections in any order, with ``record_duplicates`` on. ``corrections``
    maps (aggregate id, raw offset) to the value before and after, and names every correction of the ids in it.
    """

    name: str
    records: tuple[Record, ...]
    expected: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    rejected: tuple[tuple[str, Reason], ...] = ()
    complete: tuple[str, ...] = ()
    deciding: Deciding = field(default_factory=Deciding)
    moved: int = 0
    corrections: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def stored(self, *, copies: bool = True, topic: str = TOPIC, keys: OracleKeys = ORACLE_KEYS) -> list[StoredRecord]:
        """The records with their offsets, as the raw topic holds them in the end, ticks signed."""
        ends: dict[int, int] = defaultdict(int)
        found = []
        for record in self.records:
            if record.copy and not copies:
                continue
            partition = record.at()
            found.append(
                StoredRecord(partition, ends[partition], record.append_time, record.key, record.value, record.headers)
            )
            ends[partition] += 1
        return signed(found, self.deciding, PARTITIONS, topic, keys)


def ms(text: str) -> int:
    return parse_time(text)


def event(number: object, type_name: str, at: str, /, **more: Any) -> dict[str, Any]:
    """A well-formed event of ``acme``: ``number`` is its sequence and makes its id; more fields of ``data`` by name."""
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "s1",
        "type": type_name,
        "time": at,
        "company": "acme",
        "sequence": number,
        "data": {},
    }
    attributes = {*told, "installation"}
    for name, value in more.items():
        (told if name in attributes else told["data"])[name] = value
    return told


def record(told: object, *, append: str | None = None, key: str | bytes | None = "acme", **more: Any) -> Record:
    """A record of ``told`` (an event, a batch, or bytes), appended at its latest time unless ``append`` is given."""
    if append is None:
        events = told if isinstance(told, list) else [told]
        append_time = max(ms(item["time"]) for item in events)
    else:
        append_time = ms(append)
    value = told if told is None or isinstance(told, bytes) else json.dumps(told).encode()
    return Record(key.encode() if isinstance(key, str) else key, value, append_time, **more)


def tick(append: str, partition: int | None = None) -> Record:
    return Record(None, None, ms(append), (("footfall-tick", b"due"),), partition)


def message(number: object, at: str, /, **more: Any) -> dict[str, Any]:
    return event(number, "message.sent", at, **({"role": "user"} | more))


def feedback(number: object, at: str, /, **more: Any) -> dict[str, Any]:
    return event(number, "feedback.given", at, **({"sentiment": "positive"} | more))


def consent(number: int | None, time: str, scope: str, granted: bool, **more: Any) -> dict[str, Any]:
    return event(number, "consent.changed", time, scope=scope, granted=granted, **more)


def figure(metric: str, size: str, start: str, dimensions: str = "", company: str = "acme") -> str:
    """An aggregate id; ``start`` may be a day alone."""
    return f"{company}|{metric}|{size}|{start if 'T' in start else start + 'T00:00:00Z'}|{dimensions}"
