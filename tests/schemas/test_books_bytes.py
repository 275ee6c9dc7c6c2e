"""What is written without a library is what the library would write: rejections by template, outcomes as bytes."""

import hashlib
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.ledger import (
    BLOCK_OUTCOMES,
    OUTCOME_CODES,
    REASONS_BY_CODE,
    REJECTED_ORDER,
    digest_outcomes,
    hash_hour,
    ledger_key,
    pack_each,
    pack_outcome,
    pack_outcomes,
)
from schemas.wire.rejections import Rejection, Template, encode_rejection

OFFSET = st.integers(0, 2**56 - 1)
CODE = st.sampled_from([0, *REASONS_BY_CODE])
OUTCOMES = st.lists(st.tuples(OFFSET, CODE), max_size=70)
FAULTS = [(Reason.NOT_JSON, ""), (Reason.BAD_FIELD, "/data/user"), (Reason.BAD_TIME, "/time")]


@given(st.text(max_size=9), st.integers(0, 99), st.integers(0, 2**42), st.lists(st.tuples(OFFSET, st.integers(0, 2))))
def test_a_template_writes_what_the_encoder_writes(
    topic: str, partition: int, time: int, found: list[tuple[int, int]]
) -> None:
    received = instant(time, fraction=True)
    made = Template(topic, partition, received)

    def wanted(offset: int, reason: Reason, path: str) -> bytes:
        return encode_rejection(Rejection(topic, partition, offset, reason, path, None, None, received))

    each = [wanted(offset, *FAULTS[at]) for offset, at in found]
    assert [made.encode(offset, *FAULTS[at]) for offset, at in found] == each
    assert made.encode_each([offset for offset, _ in found], bytes(at for _, at in found), FAULTS) == each
    indexes = [offset for offset, _ in found]
    alike = made.encode_alike(7, Reason.BAD_TIME, indexes, "/time")
    assert alike == [wanted(7, Reason.BAD_TIME, f"/{index}/time") for index in indexes]


def test_every_reason_has_one_code_for_good_and_one_place_in_the_books() -> None:
    assert {REASONS_BY_CODE[code]: code for code in REASONS_BY_CODE} == dict(OUTCOME_CODES)
    assert set(OUTCOME_CODES) == set(Reason)
    assert sorted(REJECTED_ORDER) == sorted(set(Reason) - {Reason.DUPLICATE})


@given(OUTCOMES)
def test_outcomes_are_packed_alike_one_by_one_and_together(outcomes: list[tuple[int, int]]) -> None:
    one_by_one = b"".join(pack_outcome(*each) for each in outcomes)
    assert one_by_one == b"".join(bytes([code]) + offset.to_bytes(7, "big") for offset, code in outcomes)
    offsets, codes = [offset for offset, _ in outcomes], [code for _, code in outcomes]
    assert pack_each(offsets, codes) == one_by_one
    for offset in offsets[:3]:
        assert pack_outcomes(offset, codes) == b"".join(pack_outcome(offset, code) for code in codes)


@given(OUTCOMES, st.lists(st.integers(0, 70), max_size=5))
def test_the_digest_of_an_hour_does_not_depend_on_where_it_is_cut(
    outcomes: list[tuple[int, int]], cuts: list[int]
) -> None:
    packed = [pack_outcome(*each) for each in outcomes]
    chain, left = b"", b""
    for begin, end in pairwise(sorted([0, *(min(cut, len(packed)) for cut in cuts), len(packed)])):
        chain, left = digest_outcomes(chain, left + b"".join(packed[begin:end]))
        assert len(left) < 8 * BLOCK_OUTCOMES
    wanted = b""
    for begin in range(0, len(packed) - len(packed) % BLOCK_OUTCOMES, BLOCK_OUTCOMES):
        wanted = hashlib.sha256(wanted + b"".join(packed[begin : begin + BLOCK_OUTCOMES])).digest()
    assert (chain, left) == (wanted, b"".join(packed[len(packed) - len(packed) % BLOCK_OUTCOMES :]))


def test_the_hash_of_an_hour_is_that_of_a_file_of_its_entries_in_any_order() -> None:
    rows = [(ledger_key(3, 3_600_000, company), value) for company, value in ((None, b"z"), ("a", b"y"), ("b", b"x"))]
    assert [key for key, _ in rows] == [
        b"3|1970-01-01T01:00:00Z|",
        b"3|1970-01-01T01:00:00Z|a",
        b"3|1970-01-01T01:00:00Z|b",
    ]
    wanted = hashlib.sha256(b"z\ny\nx\n").hexdigest()
    assert {hash_hour(order) for order in permutations(rows)} == {wanted}
    assert hash_hour(rows[:2]) != wanted


@pytest.mark.parametrize("change", [b"y", b"z\ny", b""])
def test_another_entry_makes_another_hash(change: bytes) -> None:
    assert hash_hour([(b"k", change)]) != hash_hour([(b"k", b"z")])
