"""The inputs that fuzzing begins with: the examples, the hostile events and batches of the tests, and random logs."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings

from pipeline.kafka.reader import StoredRecord
from schemas.examples import bad_examples, good_examples
from schemas.wire.columns import column, pack
from tests.core.events_hostile import DAMAGED, EVENT, GOOD
from tests.core.random_log import random_log
from tests.fuzz.cases import BATCHES, BEHIND, COLUMNS, KEYED, RECORDS, STARTS, STEPS, TALLY, UNREADABLE, joined
from tests.hostile_batches import CASES
from tests.kafka_batches import record
from tests.schemas.test_columns import EDGES

__all__ = ["write"]

_DRAWN = 60
_ACME = KEYED.index(b"acme")
_SETTINGS = [bytes([setting, own]) for setting in (0x3C, 0x7C, 0x08, 0x51, 0x62, 0x2F) for own in (0, 2)]
_OWN = [
    {"type": "file.uploaded", "data": {"kind": "k", "visibility": "private", "region": None, "version": "1.2"}},
    {"type": "file.opened", "data": {"kind": "k", "role": "r", "a": "1", "b": "2", "c": "3", "user": "u"}},
    {"type": "file.weighed", "data": {"kind": "k", "bytes": 17}},
]


def write(folder: Path) -> None:
    """Every seed as a file of its own, named by what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in _seeds():
        (folder / hashlib.sha256(data).hexdigest()[:24]).write_bytes(data)


def _seeds() -> Iterator[bytes]:
    examples = [dict(each) for each in good_examples().values()] + [GOOD | each for each in _OWN]
    for number, event in enumerate(examples):
        yield _case(number, [_value(event | {"id": "a", "sequence": at}) for at in (0, 1, 2, 1)])
        yield _case(number + 1, [_value([event | {"id": f"b{at}"} for at in range(3)]), _value(event)])
    for number, bad in enumerate(bad_examples().values()):
        yield _case(number, [_value(GOOD), bad.record(), _value(GOOD | {"id": "2"}), bad.record()])
    for number, drawn in enumerate(_drawn()):
        yield _case(number, [_value(GOOD | {"sequence": 1}), *drawn])
    for number in range(12):
        yield _log(number)
    yield from _batches()
    yield bytes([TALLY, 0, 0, 0xFF, 0xFF]) + bytes([0, 3, 1, 2, 3, 1, 5, 6] * 4 + [0, 4, 1, 2, 0, 1, 7, 255] * 3)
    yield bytes([TALLY, 2, 1, 5, 9]) + bytes(range(240)) * 4
    for odd in range(4 * 8):
        names = bytes(248 + odd // 4 if at == odd % 4 else 1 for at in range(4))
        yield bytes([TALLY, 0, 0, 0xFF, 0xFF, 0, 3]) + names + bytes([1, 1])
    for numbers in (EDGES, range(-40, 200), EDGES[:8], [2**63 - 1], [-(2**31)]):
        yield bytes([COLUMNS]) + pack(column(numbers))
        yield bytes([COLUMNS]) + pack(column(numbers))[:-4]
        yield bytes([COLUMNS]) + column(numbers).tobytes()


def _value(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _case(number: int, values: list[bytes]) -> bytes:
    parts = [bytes([1 if at else 0, _ACME]) + value.replace(b"\xff", b"\xfe") for at, value in enumerate(values)]
    return joined([bytes([RECORDS]) + _SETTINGS[number % len(_SETTINGS)], *parts])


def _drawn() -> list[list[bytes]]:
    """Hostile events, the same each time."""
    found: list[list[bytes]] = []

    @seed(1)
    @settings(max_examples=_DRAWN, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(EVENT, EVENT, DAMAGED)
    def draw(one: Any, other: Any, damaged: bytes) -> None:
        found.append([_value(one), _value([one, other]), damaged])

    draw()
    return found


def _log(number: int) -> bytes:
    """How a random log begins."""
    now, parts = STARTS[1], [bytes([RECORDS, 0x3D if number % 2 else 0x6D, 1])]
    for each in random_log(5000 + number, 30, sign=False)[:9]:
        part, now = _part(each, now)
        parts.append(part)
    return joined(parts)


def _part(stored: StoredRecord, now: int) -> tuple[bytes, int]:
    more, step = next((more, step) for more in (0, 5000) for step in STEPS if stored.append_time + more == now + step)
    how = STEPS.index(step) | (BEHIND if more else 0)
    if stored.unreadable_to is not None:
        return bytes([how | UNREADABLE, 0]), now + step
    key = KEYED.index(stored.key if stored.key in KEYED else None)
    if stored.headers:
        name, content = stored.headers[0]
        return bytes([how | (64 if name == "footfall-tick" else 128), key]) + (content or b"")[:40], now + step
    return bytes([how, key]) + (stored.value or b""), now + step


def _batches() -> Iterator[bytes]:
    for number, case in enumerate(CASES.values()):
        batch = case.build(lambda delta: record(delta, b"acme", _value(GOOD | {"sequence": delta & 0xFF}), time=1))
        data = b"".join(batch.records)
        if data:
            count = len(batch.records)
            head = bytes([0x10 if number % 2 else 0x01, count, max(count - 1, 0), 0])
            yield bytes([BATCHES, 0x1C + number % 4]) + (head + data) + (b"\xff\xff\xff" + head + data) * (number % 3)
    values = [b"{", b"1", b"{}", b"[{}]", b"[5]", b'{"a":"\\u00e9"}', b'["specversion"]', b'{"specversion":"1.0"}', b""]
    for headers in ([], [(b"h", None)], [(b"footfall-tick", b"1"), (b"h", b"1")]):
        data = b"".join(record(at, b"k" * (at % 2), value, headers) for at, value in enumerate(values))
        yield bytes([BATCHES, 0x1F, 0x10, len(values), len(values) - 1, 0]) + data
