"""Inputs changed with regard to what they mean: members of events, whole records, batches whose lengths stay right.

What libFuzzer does by itself, bytes changed at random, is drawn as often.
"""

import json
import random
from collections.abc import Callable
from typing import Any, Final

from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Block
from pipeline.kafka.block_records import walk
from pipeline.kafka.codecs import UnreadableError
from schemas.catalogue.types import EVENT_TYPES
from tests.fuzz.cases import BATCHES, OWN_TYPES, RECORDS, joined, parted
from tests.kafka_batches import record, varint

__all__ = ["changing", "words"]

Mutate = Callable[[bytes, int], bytes]
_TYPES: Final = {**EVENT_TYPES, **OWN_TYPES}
_FIELDS: Final = ["user", *dict.fromkeys(field.name for entry in _TYPES.values() for field in entry.fields)]
_ATTRIBUTES: Final = ["specversion", "id", "source", "type", "company", "time", "sequence", "installation", "data", "x"]
_CHOICES: Final = [choice for entry in _TYPES.values() for field in entry.fields for choice in field.choices]
_TIMES: Final = [
    "2026-11-01T10:00:00Z", "2026-11-01t10:00:00.5z", "2026-11-21T00:30:00.123456+00:30", "2026-10-31T23:59:60Z",
    "2026-02-29T00:00:00Z", "2024-02-29T23:59:59.999999+23:59", "1999-12-31T23:59:59-00:01", "2026-11-01T10:00:00.Z",
    "2999-12-31T23:59:59-00:01", "2026-11-01T24:00:00Z", "2026-11-01 10:00:00Z", "2026-11-01T10:00:00+24:00",
]  # fmt: skip
_NAMES: Final = ["acme", "beta", "c-3", "s1", "s2", "s1#a", "#x", "a", "~other", "ann", "1.0", "x" * 64, "x" * 65]
_NAMES += ["x" * 128, "y" * 129, "x" * 256, "x" * 257, "x" * 1025, "é" * 40, "A.b-c_d+1", "a b", ""]
_LITERALS: Final = [
    "null", "true", "false", "0", "1", "-1", "5.0", "1e400", "-0", "9223372036854775807", "9223372036854775808", "01",
    '"9223372036854775807"', '"9999999999999999999"', '"007"', '"5"', "999999999999999999", "1000000000000000000",
    "[]", "{}", "[1]", '{"a":1}', '"\\u00e9"', '"\\ud800"', '"\\n"', '"a\\"b"', "[[[[]]]]", '"\t"', "NaN",
    "[" * 33 + "]" * 33, '{"user":null}', '"\\u0061cme"',
]  # fmt: skip
_MARK: Final = "\x00here"


def words() -> list[bytes]:
    """Words that stand in inputs, for libFuzzer's dictionary."""
    named = [*_FIELDS, *_ATTRIBUTES, *_CHOICES, *_TYPES, *_TIMES, *_NAMES[:13]]
    texts = [json.dumps(each) for each in dict.fromkeys(named)] + [f'"{each}":' for each in _ATTRIBUTES + _FIELDS]
    return [each.encode() for each in texts + _LITERALS]


def changing(mutate: Mutate) -> Callable[[bytes, int, int], bytes]:
    """The function that libFuzzer calls for another input; ``mutate`` is its own."""

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if len(data) > 2 and data[0] % 4 == RECORDS and rng.random() < 0.85:
            return data[:1] + _records(data[1:], rng, mutate, most)[: most - 1]
        if len(data) > 6 and data[0] % 4 == BATCHES and rng.random() < 0.6:
            return data[:2] + _batch(data[2:], rng, mutate, most)[: most - 2]
        return mutate(data, most)

    return change


def _records(data: bytes, rng: random.Random, mutate: Mutate, most: int) -> bytes:
    setting, *parts = parted(data)
    if not parts or rng.random() < 0.1:
        return joined([mutate(setting, 3), *parts])
    at, draw = rng.randrange(len(parts)), rng.random()
    part = parts[at]
    if draw < 0.45:
        parts[at] = part[:2] + _event(part[2:], rng).replace(b"\xff", b"\xfe")
    elif draw < 0.6:
        parts[at] = part[:2] + mutate(part[2:], max(most - len(data), 1) + len(part)).replace(b"\xff", b"\xfe")
    elif draw < 0.7:
        parts[at] = mutate(part[:2], 2) + part[2:]
    elif draw < 0.8:
        parts.insert(rng.randrange(len(parts) + 1), part)
    elif draw < 0.9:
        parts.insert(at + 1, part[:2] + _next(part[2:]))
    elif len(parts) > 1:
        del parts[at]
    return joined([setting, *parts])


def _parsed(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _written(content: Any, rng: random.Random, literal: str = "") -> bytes:
    apart = rng.choice([(",", ":"), (",", ":"), (", ", ": "), (" ,\n", "\t:")])
    text = json.dumps(content, ensure_ascii=rng.random() < 0.2, separators=apart)
    return text.replace(json.dumps(_MARK), literal).encode(errors="replace")


def _event(value: bytes, rng: random.Random) -> bytes:
    """With a member of an event, or of its data, other than it was."""
    content = _parsed(value)
    event = rng.choice(content) if isinstance(content, list) and content else content
    if not isinstance(event, dict):
        return value
    if rng.random() < 0.1:
        items = rng.sample([*event.items()], len(event))
        event.clear()
        event.update(items)
    held = event.get("data")
    within = isinstance(held, dict) and rng.random() < 0.5
    target: dict[str, Any] = held if within and isinstance(held, dict) else event
    names = (_FIELDS if within else _ATTRIBUTES) + [*target]
    name = rng.choice(names)
    draw = rng.random()
    if draw < 0.1:
        target.pop(name, None)
        return _written(content, rng)
    literal = rng.choice(_LITERALS) if draw < 0.4 else json.dumps(rng.choice(_texts(name)), ensure_ascii=draw < 0.5)
    if draw > 0.95:  # a second member of the same name
        literal = f"{literal},{json.dumps(name)}:{json.dumps(rng.choice(_NAMES))}"
    target[name] = _MARK
    if isinstance(content, list) and rng.random() < 0.3:
        content.append(dict(event, id=f"i{rng.randrange(9)}"))
    return _written(content, rng, literal)


def _texts(name: str) -> list[str]:
    return _TIMES if name == "time" else [*_TYPES] if name == "type" else _CHOICES + _NAMES


def _next(value: bytes) -> bytes:
    """The same event with the next sequence."""
    content = _parsed(value)
    if isinstance(content, dict) and isinstance(content.get("sequence", 0), int):
        content["sequence"] = content.get("sequence", 0) + 1
        return json.dumps(content, ensure_ascii=False).encode(errors="replace").replace(b"\xff", b"\xfe")
    return value


_SHORT: Final = [
    b"", b"{}", b"[]", b"[1]", b"[{}]", b"[{},{}]", b"1", b"-0.5e+7", b'"a"', b'"\\n"', b'"\\"', b'{"a":"\xc3"}',
    b'{"specversion":"1.0"}', b'["specversion"]', b'{"a":{"specversion":1}}', b'[{"specversion":1}]', b" [ 5 ] ",
    b'{"a":1,}', b"{,}", b'{"a"1}', b"[1 2]", b'{"a":1', b"true", b"\xef\xbb\xbf{}", b'["\\u0061"]', b"01", b"1.",
    b"\x00", b"nul", b"[1,2]",
]  # fmt: skip
_NUMBERS: Final = (-(2**31), -2, -1, 0, 1, 3, 64, 300, 2**31 - 1)
_TOLD: Final = ("length", "key_length", "value_length", "header_count", "name_length", "header_length")


def _batch(data: bytes, rng: random.Random, mutate: Mutate, most: int) -> bytes:
    """The first batch with one record other than it was, lengths and number of records right again."""
    first, apart, rest = data.partition(b"\xff\xff\xff")
    head, payload = first[:4].ljust(4, b"\x00"), first[4:]
    block = Block(payload, 0, len(payload), head[1], 0, 2**31 - 1, 0, 0, 0, True)
    found: list[RawRecord] = []
    try:
        found.extend(walk(block, RawRecord))
    except UnreadableError:
        return mutate(data, most)
    at = rng.randrange(len(found)) if found else 0
    made = [_made(each, rng, mutate, changed=index == at) for index, each in enumerate(found)]
    if made and rng.random() < 0.15:  # the last one ends early
        body = made[-1][len(varint(len(made[-1]) // 2)) :]
        body = body[: rng.choice([1, 2, 3, 4, rng.randrange(len(body)) + 1])]
        made[-1] = varint(len(body)) + body
    if not made or rng.random() < 0.2:
        made.append(record(len(made), b"acme", rng.choice([b"{}", b"[1]", b"", b'{"a":"\xc3"}'])))
    last = max(head[2], min(found[-1].offset if found else 0, 250))
    return bytes([head[0], min(len(made), 250), last, head[3]]) + b"".join(made) + apart + rest


def _made(read: RawRecord, rng: random.Random, mutate: Mutate, *, changed: bool) -> bytes:
    key, value = read.key, read.value
    headers = [(name.encode(), content) for name, content in read.headers]
    told: dict[str, int] = {}
    if changed:
        draw = rng.random()
        if draw < 0.3:
            value = _event(value or b"", rng)
        elif draw < 0.5:
            value = mutate(value or b"", len(value or b"") + 40)
        elif draw < 0.6:
            value = rng.choice(_SHORT)
        elif draw < 0.75:
            headers.append((mutate(b"h", 8), rng.choice([None, b"", b"v"])))
        else:
            headers = headers or [(b"h", b"v")][: rng.randrange(2)]
            told = {name: rng.choice(_NUMBERS) for name in rng.sample(_TOLD, rng.choice([1, 1, 1, 2]))}
    more: dict[str, Any] = {"time": 1, "attributes": rng.randrange(2), **told}
    return record(read.offset, key, value, headers, **more)
