"""Values too short to be an event: what the compiled part says of them at once is the verdict of the authority."""

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.core.accept import fold as accept_fold
from agents.core.accept.decode import decode_strictly
from agents.core.accept.fast_decode import AT_ONCE
from agents.core.shared.control import CONTROL_PREFIX, FOLD_HEADER, TICK_HEADER
from agents.core.shared.records import RawRecord, Refusal
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS, MAX_DEPTH
from schemas.reasons import Reason
from tests.core.events_hostile import GOOD
from tests.core.test_fast_path import NEEDS_COMPILER, both, fetched

NOON = 1793527200000 - 1793527200000 % HOUR_MS
TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b'"',
    b'"a"',
    b'"specversion"',
    b'"1.0"',
    b"1",
    b"-",
    b"0",
    b".5",
    b"e+7",
    b"true",
    b"null",
    b"nul",
    b"NaN",
    b"\\",
    b"\\u",
    b"d800",
    b"\xc3",
    b"\xa9",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\x7f",
    b"\t",
]
Headers = tuple[tuple[str, bytes | None], ...]
HEADERS = st.sampled_from(["h", "footfall-", TICK_HEADER, FOLD_HEADER]).map(lambda name: ((name, b"1"),)) | st.just(())
SHORT = st.lists(st.sampled_from(TOKENS), max_size=9).map(b"".join) | st.binary(max_size=5)


def verdict(value: bytes | None) -> tuple[Reason, str] | None:
    """What is said of a record with the value at once; None where nothing is."""
    offsets, found = fetched([RawRecord(3, NOON, b"acme", value)]).refused(0, NOON, 9)
    assert offsets == [3][: len(found)]
    return AT_ONCE[found[0]] if found else None


def judged(value: bytes | None) -> tuple[Reason, str] | None:
    """The verdict of the authority where it is one refusal, of the whole record or of the one item of a batch."""
    items = decode_strictly(RawRecord(3, NOON, b"acme", value)).items
    only = items[0] if len(items) == 1 else None
    return (only.reason, only.path) if isinstance(only, Refusal) and only.count == 1 else None


@NEEDS_COMPILER
@settings(max_examples=600, deadline=None)
@given(SHORT)
@example(b'{"\\')
@example(b'{"specversion":"1.0","specversion":2}')
@example(b'{"a":{"specversion":1}}')
@example(b"[" * 63)
@example(b" " * 64)
def test_nothing_is_said_but_the_truth(value: bytes) -> None:
    assert verdict(value) in (None, judged(value))


@NEEDS_COMPILER
def test_all_that_a_few_tokens_make_is_told_as_it_is() -> None:
    made = [b"".join(tokens) for count in range(3) for tokens in itertools.product(TOKENS, repeat=count)]
    for value in [*made, *(b"[%b]" % each for each in made)]:
        told = verdict(value)
        if told is not None:
            assert told == judged(value), value
        else:
            is_rare = b"specversion" in value or b"\\" in value or not value.isascii()
            assert is_rare or b"".join(value.split()) == b"[]", value


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, None),
        (b"", None),
        (b"{ ", None),
        (b"\xff", None),
        (b'{"a":1,}', None),
        (b"01", None),
        (b'"\\', None),
        (b"{}", "/specversion"),
        (b' {"a" : [1, {"specversion": 2}]}\n', "/specversion"),
        (b"1", ""),
        (b"-0.5e3", ""),
        (b'"a"', ""),
        (b"null", ""),
        (b'""', ""),
        (b" [1]", "/0"),
        (b"[ [{}, 2]\t]", "/0"),
        (b'[ {"a": {"specversion": [1, 2]}}]', "/0/specversion"),
        (b"[1", None),
        (b"[1,]", None),
    ],
)
def test_the_cheapest_refusals_are_told_at_once(value: bytes | None, path: str | None) -> None:
    assert verdict(value) == ((Reason.NOT_JSON, "") if path is None else (Reason.NOT_CLOUDEVENTS, path))


@NEEDS_COMPILER
@pytest.mark.parametrize(
    "value",
    [b"[]", b"[1,1]", b'{"specversion":1}', b'[{"specversion":1}]', b'"\\u0041"', '"é"'.encode(), b"0" * 64],
)
def test_of_others_nothing_is_told(value: bytes) -> None:
    assert verdict(value) is None


@NEEDS_COMPILER
def test_a_run_ends_where_something_else_decides() -> None:
    def told(*records: RawRecord, most: int = 9) -> list[int]:
        return fetched(records).refused(0, NOON, most)[0]

    first, rubbish = RawRecord(0, NOON, b"k", b"x"), RawRecord(5, NOON - 1, None, b"{}")
    assert told(first, rubbish) == [0, 5]
    assert told(first, rubbish, most=1) == [0]
    assert told(first, RawRecord(5, NOON + 1, b"k", b"x")) == [0]
    assert told(first, RawRecord(5, NOON, None, None, (), 7)) == [0]
    for headers in [(FOLD_HEADER, b"")], [("h", None), (TICK_HEADER, None)]:
        assert told(first, RawRecord(5, NOON, None, None, tuple(headers))) == [0]
        assert told(first, RawRecord(5, NOON, None, b"", tuple(headers))) == [0, 5]
    assert told(first, RawRecord(5, NOON, None, None, (("h", None), ("footfall", b"")))) == [0, 5]
    assert told(first, RawRecord(5, NOON, b"k", b"x", (("h", b"v" * 70_000),))) == [0]
    assert told(first, RawRecord(5, NOON, b"k" * 70_000, b"x")) == [0]
    assert fetched([first]).refused(-1, NOON, 9) == fetched([first]).refused(1, NOON, 9) == ([], b"")
    assert fetched([first]).refused(0, NOON, -1) == ([], b"")


def good(number: int) -> bytes:
    return json.dumps(GOOD | {"id": f"{number}", "sequence": number}).encode()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(SHORT | st.integers(0, 9).map(good) | st.none(), st.integers(0, 3), HEADERS), max_size=40),
    st.integers(1, 40),
    st.sampled_from([1, 3, 20_000]),
)
def test_all_forms_come_to_the_same(values: list[tuple[bytes | None, int, Headers]], size: int, most: int) -> None:
    now, records = NOON, []
    for offset, (value, step, headers) in enumerate(values):
        now += step // 3 * HOUR_MS // 2
        records.append(RawRecord(offset, now, b"acme", value, headers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accept_fold, "MOST_REJECTIONS", most)
        both(records, Deciding(), 0, 1, size)


@NEEDS_COMPILER
def test_both_forms_hold_the_same_for_short_and_for_control() -> None:
    from agents.core.native import fast_path  # noqa: PLC0415 - it may not be built

    assert fast_path.SHORTEST_EVENT == MAX_DEPTH
    assert fast_path.CONTROL_PREFIX == CONTROL_PREFIX
