"""Records that are kept as JSON: read as they were written, and in any other form refused without a word of them."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue.metrics import METRICS
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import bounds, instant, start_of
from schemas.wire.aggregates import Status, aggregate_id, decode_aggregate, encode_aggregate
from schemas.wire.corrections import correction_schema, decode_correction, encode_correction
from schemas.wire.forms import UnknownFormError
from schemas.wire.ledger import (
    REJECTED_ORDER,
    HourLog,
    LedgerEntry,
    PreviousHour,
    decode_entry,
    encode_entry,
    ledger_schema,
)
from schemas.wire.rejections import (
    Rejection,
    decode_rejection,
    encode_rejection,
    rejection_schema,
    with_more,
)

COUNT = st.integers(0, 2**63 - 1)
TIME = st.integers(946_684_800_000, 4_102_444_800_000)
HOUR = TIME.map(lambda time: instant(time - time % HOUR_MS))
COMPANY = st.sampled_from(["acme", "a", "9", "a.b-c_d", "x" * 128])
HASH = st.binary(min_size=32, max_size=32).map(bytes.hex)
REJECTIONS = st.builds(
    Rejection,
    topic=st.text(max_size=20),
    partition=COUNT,
    offset=COUNT,
    reason=st.sampled_from(Reason),
    path=st.lists(st.sampled_from(["0", "17", "data", "user"])).map(
        lambda parts: "".join(f"/{part}" for part in parts)
    ),
    company=st.none() | st.text(max_size=20),
    source=st.none() | st.binary(min_size=8, max_size=8).map(bytes.hex),
    received=TIME.map(lambda time: instant(time, fraction=True)),
)
ENTRIES = st.builds(
    LedgerEntry,
    partition=COUNT,
    hour=HOUR,
    company=st.none() | st.text(max_size=20),
    received=COUNT,
    counted=COUNT,
    duplicate=COUNT,
    rejected=st.dictionaries(st.sampled_from(REJECTED_ORDER), st.integers(1, 2**40)),
    first=st.none() | COUNT,
    last=st.none() | COUNT,
    outcomes=HASH,
    log=st.none() | st.builds(HourLog, COUNT, COUNT, st.integers(1, 99), COUNT, COUNT, COUNT, COUNT, COUNT),
    previous=st.none() | st.builds(PreviousHour, HOUR, HASH),
)
CORRECTIONS = st.builds(
    encode_correction,
    st.builds("{}|{}|P1D|2026-11-01T00:00:00Z|".format, COMPANY, st.sampled_from([*METRICS])),
    *[COUNT] * 4,
    TIME,
)


@st.composite
def figures(draw: st.DrawFn) -> bytes:
    metric = METRICS[draw(st.sampled_from(["dau", "prompts", "chats_created"]))]
    size, company = draw(st.sampled_from(metric.windows)), draw(COMPANY)
    start, end = bounds(size, start_of(size, draw(TIME)))
    values = tuple("x" for _ in metric.dimensions)
    identity = aggregate_id(company, metric.name, size.value, start)
    window, status = (size.value, start, end), draw(st.sampled_from(Status))
    return encode_aggregate(identity, company, metric, values, window, draw(COUNT), status, draw(COUNT), draw(TIME))


class Kind(NamedTuple):
    """One kind of record: bytes as they are written, their reader, and a value of it that no reader may take."""

    written: st.SearchStrategy[bytes]
    read: Callable[[bytes], Any]
    wrong: dict[str, list[object]]


NO_COUNT: list[object] = [None, "7", 1.5, True, -1, [], {}]
NO_TEXT: list[object] = [5, False, [], {}]
KINDS = {
    "a rejection": Kind(
        REJECTIONS.map(encode_rejection),
        decode_rejection,
        {"topic": [None, *NO_TEXT], "partition": NO_COUNT, "offset": NO_COUNT, "reason": [None, "sunday", 1]}
        | {"path": [None, "0", "/", "/a b", "//a"], "company": NO_TEXT, "source": [*NO_TEXT, "", "A" * 16, "0" * 17]}
        | {"received": [None, 5, "", "2026-11-01T10:00:00Z", "2026-11-01 10:00:00.000Z"], "more": [*NO_COUNT, 0]},
    ),
    "an entry of the ledger": Kind(
        ENTRIES.map(encode_entry),
        decode_entry,
        dict.fromkeys(("partition", "received", "counted", "duplicate"), NO_COUNT)
        | {"hour": [None, 5, "2026-11-01T10:30:00Z", "2026-11-01"], "company": NO_TEXT, "first": NO_COUNT[1:]}
        | {"rejected": [None, [], {"too-late": 0}, {"sunday": 1}, {"too-late": True}], "last": NO_COUNT[1:]}
        | {"outcomes": [None, "", "A" * 64, "0" * 63], "log": [5, [], {}, {"first": 0}], "previous": ["", {}, [1]]},
    ),
    "a correction": Kind(
        CORRECTIONS,
        decode_correction,
        dict.fromkeys(("old", "new", "revision"), NO_COUNT)
        | {name: [None, *NO_TEXT] for name in ("id", "company", "metric")}
        | {"difference": [None, "1", 1.5, True], "cause": [None, {}, "late", {"kind": "late"}]},
    ),
    "a record of the sink": Kind(
        figures(),
        decode_aggregate,
        dict.fromkeys(("value", "revision"), NO_COUNT[:4])
        | {name: [None, *NO_TEXT] for name in ("id", "company", "metric", "unit", "watermark")}
        | {"dimensions": [None, [], {"a": 1}], "window": [None, {}, [], {"size": "P1D"}], "status": [None, "done"]}
        | {"kind": [None, "mode"], "sources": [[], "1"], "bins": [[1], [[1, 2, 3]], "x"], "p95": ["1", 1.5]},
    ),
}
each_kind = pytest.mark.parametrize("name", KINDS)
MARK = "who-is-this"


def refused(name: str, data: bytes) -> None:
    with pytest.raises(UnknownFormError) as caught:
        KINDS[name].read(data)
    assert str(caught.value) == f"{name} has another shape"
    assert caught.value.version is None
    assert caught.value.__suppress_context__


REJECTION_FORM = jsonschema.Draft202012Validator(rejection_schema())
LEDGER_FORM = jsonschema.Draft202012Validator(ledger_schema())
CORRECTION_FORM = jsonschema.Draft202012Validator(correction_schema())
few = settings(max_examples=50, deadline=None)


@few
@given(REJECTIONS, st.integers(1, 2**40))
def test_a_rejection_is_read_as_it_was_written(rejection: Rejection, more: int) -> None:
    data = encode_rejection(rejection)
    assert decode_rejection(data) == rejection
    longer = decode_rejection(with_more(data, more))
    assert longer.verdict == (*rejection.verdict[:4], more)
    assert encode_rejection(longer) == with_more(data, more)
    REJECTION_FORM.validate(json.loads(data))


@few
@given(ENTRIES)
def test_an_entry_of_the_ledger_is_read_as_it_was_written(entry: LedgerEntry) -> None:
    data = encode_entry(entry)
    assert decode_entry(data) == entry
    assert encode_entry(decode_entry(data)) == data
    LEDGER_FORM.validate(json.loads(data))


@few
@given(COMPANY, st.sampled_from([*METRICS]), COUNT, COUNT, st.integers(0, 99), st.integers(0, 2**50), TIME)
def test_a_correction_says_what_it_was_made_of(
    company: str, metric: str, old: int, new: int, partition: int, offset: int, time: int
) -> None:
    identity = f"{company}|{metric}|P1D|2026-11-01T00:00:00Z|"
    data = encode_correction(identity, old, new, partition, offset, time)
    found = decode_correction(data)
    assert (found.id, found.company, found.metric) == (identity, company, metric)
    assert (found.old, found.new, found.difference) == (old, new, new - old)
    assert (found.cause.partition, found.cause.offset, found.revision // 2) == (partition, offset, offset)
    assert found.cause.watermark == instant(time)
    CORRECTION_FORM.validate(json.loads(data))


@few
@given(figures())
def test_a_figure_is_read_as_it_was_written(data: bytes) -> None:
    found, told = decode_aggregate(data), json.loads(data)
    window = {name: getattr(found.window, name) for name in ("size", "start", "end")}
    assert {name: getattr(found, name) for name in told if name != "window"} | {"window": window} == told


@each_kind
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_member_may_be_missing_and_none_may_be_more(name: str, data: st.DataObject) -> None:
    told = json.loads(data.draw(KINDS[name].written))
    for member in told:
        refused(name, json.dumps({other: told[other] for other in told if other != member}).encode())
    refused(name, json.dumps(told | {"more_of_it": MARK}).encode())
    for member in (member for member, inner in told.items() if isinstance(inner, dict) and member not in OPEN):
        refused(name, json.dumps(told | {member: told[member] | {"more_of_it": MARK}}).encode())
        for inner in told[member]:
            left = {other: told[member][other] for other in told[member] if other != inner}
            refused(name, json.dumps(told | {member: left}).encode())


OPEN = {"rejected", "dimensions"}
"""Members whose own members are data."""


@each_kind
def test_a_member_of_another_form_is_refused(name: str) -> None:
    told = json.loads(EXAMPLES[name])
    assert set(told) <= set(KINDS[name].wrong)
    for member, values in KINDS[name].wrong.items():
        for value in values:
            refused(name, json.dumps(told | {member: value}).encode())


EXAMPLES = {
    "a rejection": encode_rejection(
        Rejection("raw", 1, 2, Reason.BAD_TIME, "/0/time", "acme", "0" * 16, "2026-11-01T10:00:00.000Z")
    ),
    "an entry of the ledger": encode_entry(
        LedgerEntry(
            partition=1,
            hour="2026-11-01T10:00:00Z",
            company=None,
            received=3,
            counted=1,
            duplicate=1,
            rejected={Reason.TOO_LATE: 1},
            first=5,
            last=9,
            outcomes="a" * 64,
            log=HourLog(5, 9, 1, 3, 0, 1, 1, 0),
            previous=PreviousHour("2026-11-01T09:00:00Z", "b" * 64),
        )
    ),
    "a correction": encode_correction("acme|dau|P1D|2026-11-01T00:00:00Z|", 5, 7, 1, 9, 1_793_527_200_000),
    "a record of the sink": encode_aggregate(
        "acme|dau|P1D|2026-11-01T00:00:00Z|", "acme", METRICS["dau"], (), ("P1D", 0, 86_400_000), 5, Status.FINAL, 3, 0
    ),
}


@each_kind
def test_a_changed_byte_is_refused_or_another_record(name: str) -> None:
    data, read = EXAMPLES[name], KINDS[name].read
    whole, taken = read(data), 0
    for at, was in enumerate(data):
        for other in {0, 9, 0x22, 0x2C, 0x30, 0x61, 0x7D, 0xFF, was ^ 1, was ^ 0x20} - {was}:
            try:
                found = read(data[:at] + bytes([other]) + data[at + 1 :])
            except UnknownFormError:
                continue
            taken += 1
            assert found != whole, (at, other)
    assert taken


@each_kind
def test_a_record_that_is_cut_or_goes_on_is_refused(name: str) -> None:
    data = EXAMPLES[name]
    for end in range(len(data)):
        refused(name, data[:end])
    for more in (b"}", b"{}", b"\0", data):
        refused(name, data + more)
    for strange in (
        b'{"a":"\xff"}',
        b"null",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id":' * 100_000,
        b"9" * 5000,
    ):
        refused(name, strange)
