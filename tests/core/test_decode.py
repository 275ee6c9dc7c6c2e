"""The strict decoder by example; the fast one by property: both read every record alike."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.decode import decode_strictly
from agents.core.fast_decode import decode
from agents.core.records import RawRecord
from schemas.events import EVENT_TYPES

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "s1",
    "type": "chat.created",
    "company": "acme",
    "time": "2026-11-01T10:00:00Z",
    "data": {"user": "ann"},
}


def record(value: object, key: bytes | None = b"acme") -> RawRecord:
    return RawRecord(7, 0, key, value if isinstance(value, bytes) else json.dumps(value).encode())


def fault(value: object) -> list[tuple[str, str]]:
    decoded = decode_strictly(record(value))
    assert decode(record(value)) == decoded
    return [(refusal.reason.value, refusal.path) for refusal in decoded.refusals]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GOOD, []),
        (GOOD | {"unknown": 5, "sequence": None, "installation": None, "data": None}, []),
        ([], []),
        ([GOOD, GOOD], []),
        (b"", [("not-json", "")]),
        (b"{", [("not-json", "")]),
        (b"\xef\xbb\xbf{}", [("not-json", "")]),
        (b'{"id":NaN}', [("not-json", "")]),
        (b'{"a":"\xff"}', [("not-json", "")]),
        (b'{"a":"\\ud800"}', [("not-json", "")]),
        (b"null", [("not-cloudevents", "")]),
        (b"5", [("not-cloudevents", "")]),
        ([None, [], 3], [("not-cloudevents", "/0"), ("not-cloudevents", "/1"), ("not-cloudevents", "/2")]),
        ({}, [("not-cloudevents", "/specversion")]),
        (GOOD | {"specversion": "0.3"}, [("not-cloudevents", "/specversion")]),
        (without("id"), [("not-cloudevents", "/id")]),
        (GOOD | {"source": ""}, [("not-cloudevents", "/source")]),
        (GOOD | {"type": 5}, [("not-cloudevents", "/type")]),
        (GOOD | {"type": "chat.opened", "company": "", "time": None}, [("unknown-type", "/type")]),
        (without("company"), [("bad-field", "/company")]),
        (GOOD | {"company": "a b"}, [("bad-field", "/company")]),
        (GOOD | {"company": "acme\n"}, [("bad-field", "/company")]),
        (GOOD | {"sequence": 5.0}, [("bad-field", "/sequence")]),
        (GOOD | {"sequence": "05"}, [("bad-field", "/sequence")]),
        (GOOD | {"sequence": True}, [("bad-field", "/sequence")]),
        (GOOD | {"sequence": 2**63}, [("bad-field", "/sequence")]),
        (GOOD | {"sequence": "9" * 30}, [("bad-field", "/sequence")]),
        (GOOD | {"installation": ""}, [("bad-field", "/installation")]),
        (GOOD | {"data": []}, [("bad-field", "/data")]),
        (GOOD | {"data": {"user": ""}}, [("bad-field", "/data/user")]),
        (GOOD | {"type": "folder.created", "time": "x"}, [("bad-field", "/data/kind")]),
        ([GOOD, without("time")], [("bad-time", "/1/time")]),
        (GOOD | {"time": "2026-11-01T10:00:60Z"}, [("bad-time", "/time")]),
        (GOOD | {"time": "2026-11-01T10:00:00"}, [("bad-time", "/time")]),
        (GOOD | {"id": "é" * 513, "specversion": 1}, [("too-large", "/id")]),
        (GOOD | {"type": "nothing", "data": {"user": "u" * 1025}}, [("too-large", "/data/user")]),
        (b"[" * 65, [("too-large", "")]),
        (b"[" * 64 + b"]" * 64, [("not-cloudevents", "/0")]),
        ([GOOD] * 10_001, [("too-large", "")]),
        (b'"' + b"x" * 1_000_000 + b'"', [("too-large", "")]),
    ],
)
def test_faults(value: object, expected: list[tuple[str, str]]) -> None:
    assert fault(value) == expected


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        ("2026-11-01T10:00:00.1239Z", 1793527200123),
        ("2026-11-01t10:00:00z", 1793527200000),
        ("2026-11-01T00:30:00+01:00", 1793489400000),
        ("2026-10-31T23:30:00-00:00", 1793489400000),
    ],
)
def test_times(time: str, milliseconds: int) -> None:
    for decoder in (decode, decode_strictly):
        assert decoder(record(GOOD | {"time": time})).events[0].time == milliseconds


def test_an_event_is_read_whole() -> None:
    raw = GOOD | {"sequence": "12", "installation": "i1", "type": "consent.changed"}
    raw["data"] = {"scope": "app", "granted": False, "user": "bob", "note": "free text"}
    for decoder in (decode, decode_strictly):
        event = decoder(record(raw)).events[0]
        assert (event.sequence, event.installation, event.user, event.consent) == (12, "i1", "bob", ("app", False))
        assert event.values == ()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(
        [2**63, 2**63 - 1, 1e400, 5.0, "", "0", "01", "a", "A.b-c_d", "~other", "x" * 300, "é" * 513, "\x00"]
    ),
    st.sampled_from(["positive", "user", "assistant", "platform", "app", "1.0", *EVENT_TYPES]),
    st.sampled_from(["2026-02-29T00:00:00Z", "2024-02-29T23:59:59.999999+23:59", "1999-12-31T23:59:59-00:01"]),
    st.sampled_from(["2026-11-01T10:00:00.Z", "2999-12-31T23:59:59-00:01", "٢٠٢٦-11-01T10:00:00Z"]),
    st.lists(st.integers(), max_size=2),
    st.text(max_size=3),
)
FIELDS = ["user", "kind", "role", "assistant", "module", "sentiment", "application", "version", "environment"]
DATA = st.dictionaries(st.sampled_from([*FIELDS, "scope", "granted", "other"]), ODD, max_size=5)
EVENT = st.builds(
    lambda kind, change, data, drop: {
        key: value for key, value in (GOOD | {"type": kind, "data": data} | change).items() if key not in drop
    },
    st.sampled_from([*EVENT_TYPES]),
    st.dictionaries(st.sampled_from([*GOOD, "sequence", "installation", "x"]), ODD | DATA, max_size=2),
    st.just({"user": "u", "kind": "k", "role": "user", "assistant": "a", "module": "m", "sentiment": "positive"})
    | DATA,
    st.sets(st.sampled_from([*GOOD]), max_size=1),
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(EVENT, st.lists(EVENT | ODD, max_size=3)))
def test_both_read_alike(value: object) -> None:
    raw = record(json.dumps(value).encode())
    assert decode(raw) == decode_strictly(raw)


@settings(max_examples=600, deadline=None)
@given(
    EVENT,
    st.integers(0, 400),
    st.sampled_from(
        [b"", b"\xff", b'"', b"\\", b"\\ud800", b"\\ud83d\\ude00", b"\x01", b",", b"{", b"[", b"NaN", b"1e400"]
    ),
    st.integers(0, 3),
)
def test_both_read_alike_what_was_damaged(value: object, at: int, put: bytes, cut: int) -> None:
    text = json.dumps(value, ensure_ascii=at % 2 == 0).encode()
    raw = record(text[:at] + put + text[at + cut :])
    assert decode(raw) == decode_strictly(raw)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_both_read_alike_any_bytes(value: bytes) -> None:
    assert decode(record(value)) == decode_strictly(record(value))
