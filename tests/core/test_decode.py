"""The strict decoder by example; the fast one by property: both read every record alike."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.decode import decode_strictly
from agents.core.fast_decode import decode
from agents.core.records import RawRecord
from tests.core.events_hostile import DAMAGED, EVENT, GOOD, ODD


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


@settings(max_examples=600, deadline=None)
@given(st.one_of(EVENT, st.lists(EVENT | ODD, max_size=3)))
def test_both_read_alike(value: object) -> None:
    raw = record(json.dumps(value).encode())
    assert decode(raw) == decode_strictly(raw)


@settings(max_examples=600, deadline=None)
@given(DAMAGED)
def test_both_read_alike_what_was_damaged(value: bytes) -> None:
    assert decode(record(value)) == decode_strictly(record(value))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_both_read_alike_any_bytes(value: bytes) -> None:
    assert decode(record(value)) == decode_strictly(record(value))
