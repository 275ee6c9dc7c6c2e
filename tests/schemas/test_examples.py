"""Every reader takes the good examples and refuses the bad ones, for the reason that their file tells."""

import json

import jsonschema
import pytest

from agents.core.accept.decode import decode_strictly
from agents.core.accept.fast_decode import decode
from agents.core.shared.records import RawRecord, Refusal
from pipeline.proof.oracle.form import Fault, RawEvent, read_record
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.types import EVENT_TYPES
from schemas.examples import bad_examples, good_examples
from schemas.reasons import DECIDED_BY_FORM
from schemas.wire.envelope import raw_event_schema
from tests.refused import refusals_of

BEYOND_JSON_SCHEMA = {
    "too-large.id": "JSON Schema counts characters, the contract bytes",
    "too-large.user": "JSON Schema counts characters, the contract bytes",
    "not-json.cut": "not JSON",
    "not-json.nan": "not JSON",
    "not-json.words": "not JSON",
    "bad-field.sequence-float": "to JSON Schema 5.0 is an integer",
    "bad-time.offset": "format is a hint",
    "bad-time.leap": "format is a hint",
    "bad-time.year": "format is a hint",
}


def record(value: bytes) -> RawRecord:
    return RawRecord(0, 0, b"acme", value)


@pytest.mark.parametrize("name", good_examples())
def test_a_good_example_is_read_alike_by_every_reader(name: str) -> None:
    told = good_examples()[name]
    value = json.dumps(told).encode()
    decoded = decode_strictly(record(value))
    assert decode(record(value)) == decoded
    assert not refusals_of(decoded)
    (event,) = decoded.events
    (read,) = read_record(b"acme", value, (), BUILT_IN.types)
    assert isinstance(read, RawEvent)
    assert (event.type, event.time, event.sequence, event.user) == (read.type, read.time, read.sequence, read.user)
    assert dict(zip(EVENT_TYPES[event.type].allowed, event.values, strict=True)) == read.values
    jsonschema.validate(told, raw_event_schema())


@pytest.mark.parametrize("name", bad_examples())
def test_a_bad_example_is_refused_alike_by_every_reader(name: str) -> None:
    bad = bad_examples()[name]
    value = bad.record()
    assert name.startswith(bad.reason.value)
    decoded = decode_strictly(record(value))
    assert decode(record(value)) == decoded
    assert refusals_of(decoded) == (Refusal(None, bad.reason, bad.path),)
    assert read_record(b"acme", value, (), BUILT_IN.types) == [Fault(bad.reason, bad.path)]
    if name not in BEYOND_JSON_SCHEMA:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(value), raw_event_schema())


def test_every_type_and_every_reason_of_form_has_an_example() -> None:
    assert {event["type"] for event in good_examples().values()} == set(EVENT_TYPES)
    assert {bad.of for bad in bad_examples().values()} >= set(EVENT_TYPES)
    assert {bad.reason for bad in bad_examples().values()} == DECIDED_BY_FORM
    assert set(BEYOND_JSON_SCHEMA) <= set(bad_examples())
