"""The strict decoder by example; the fast one by property: both read every record alike."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.accept.decode import _judge, decode_strictly
from agents.core.accept.fast_decode import decode, reader_of
from agents.core.accept.form import FormCheck
from agents.core.shared.records import Event, RawRecord, Refusal
from schemas.catalogue.types import EVENT_TYPES
from schemas.limits import MAX_RECORD_BYTES
from schemas.reasons import Reason
from tests.core.events_hostile import DAMAGED, EVENT, FIELDS, GOOD, NEAR, ODD
from tests.declared import good_data
from tests.meters import EVERY_FIELD
from tests.refused import refusals_of


def record(value: object, key: bytes | None = b"acme") -> RawRecord:
    return RawRecord(7, 0, key, value if isinstance(value, bytes) else json.dumps(value).encode())


def alike(raw: RawRecord) -> None:
    """Both read the record alike."""
    one, other = reader_of(EVERY_FIELD).decode(raw), decode_strictly(raw, EVERY_FIELD.types)
    assert (one.events, refusals_of(one)) == (other.events, refusals_of(other))


def fault(value: object) -> list[tuple[str, str]]:
    decoded = decode_strictly(record(value))
    alike(record(value))
    return [(refusal.reason.value, refusal.path) for refusal in refusals_of(decoded)]


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
    alike(raw)


@settings(max_examples=600, deadline=None)
@given(DAMAGED)
def test_both_read_alike_what_was_damaged(value: bytes) -> None:
    alike(record(value))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_both_read_alike_any_bytes(value: bytes) -> None:
    alike(record(value))


JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)
NAMES = [*GOOD, "sequence", "installation"]
VALUE = JSON | st.sampled_from(
    ["", "#", "#a", "a#", "é" * 513, "é" * 512, "x" * 1025, "x" * 1024, "00", "0" * 20, 10**30]
)


LOOK = FormCheck(EVENT_TYPES)


def looked(content: object, index: int | None) -> Event | Refusal:
    found = LOOK.look(content, index)
    return found if isinstance(found, Event) else Refusal(index, *found)


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from([*EVENT_TYPES.values()]).flatmap(lambda entry: st.tuples(st.just(entry.name), good_data(entry))),
    st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=3),
    st.dictionaries(st.sampled_from(FIELDS), VALUE | NEAR, max_size=3),
    st.sets(st.sampled_from([*NAMES]), max_size=2),
    st.none() | st.integers(0, 9999),
)
def test_the_form_check_is_the_authority_s_verdict(
    good: tuple[str, dict[str, Any]],
    attributes: dict[str, Any],
    fields: dict[str, Any],
    without: set[str],
    index: int | None,
) -> None:
    content = GOOD | {"type": good[0], "data": {"user": "u"} | good[1] | fields} | attributes
    for name in without:
        content.pop(name, None)
    assert looked(content, index) == _judge(content, index)


@settings(max_examples=500, deadline=None)
@given(JSON, st.none() | st.integers(0, 9999))
def test_the_form_check_is_the_authority_s_verdict_of_any_json(content: object, index: int | None) -> None:
    assert looked(content, index) == _judge(content, index)


@pytest.mark.parametrize("digits", [1, 19, 20, 4299, 4300, 4301, 100_000])
def test_a_number_of_any_length_is_a_number(digits: int) -> None:
    text = json.dumps(GOOD | {"sequence": "x"}).encode()
    for number in (b"9" * digits, b"-" + b"1" * digits):
        raw = record(text.replace(b'"x"', number))
        alike(raw)
        assert len(decode(raw).events) == (number[:1] != b"-" and digits < 19)
        decoded = decode(record(text[:-1] + b',"more":[' + number + b",1.5e400]}"))
        assert refusals_of(decoded)[0].at == "/sequence"


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1])
def test_a_key_counts(size: int) -> None:
    value = json.dumps(GOOD).encode()
    for raw in (record(value, b"k" * (size - len(value))), record(b"", b"k" * size)):
        alike(raw)
        assert [each.reason for each in refusals_of(decode(raw))] == (
            [Reason.TOO_LARGE] if size > MAX_RECORD_BYTES else [] if raw.value else [Reason.NOT_JSON]
        )
