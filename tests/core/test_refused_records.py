"""Bytes that hold no records, and records with more refusals than are written: the fold and the oracle agree."""

import json
from typing import Any

from agents.core.accept.fold import AnonymizeFold
from agents.core.shared.records import RawRecord
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import expect
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.wire.ledger import decode_entry
from schemas.wire.rejections import decode_rejection, encode_rejection
from tests.core.events_hostile import GOOD
from tests.core.world import PSEUDONYMS

NOON = 1793534400000 - 1793534400000 % HOUR_MS
KEY = GOOD["company"].encode()


def mark(company: str, source: str) -> str:
    return PSEUDONYMS.source(company, source).hex()[:16]


def good(offset: int, append_time: int = NOON, **more: Any) -> RawRecord:
    value = json.dumps(GOOD | {"id": f"{offset}", "sequence": offset} | more).encode()
    return RawRecord(offset, append_time, KEY, value)


def both(records: list[RawRecord], *, record_duplicates: bool = False) -> Any:
    """The fold's rejections and closed hours, after a look that the oracle has the same; and how far the fold is."""
    fold = AnonymizeFold(
        Deciding(), PSEUDONYMS, topic="raw", partition=0, partitions=1, digest="d",
        record_duplicates=record_duplicates,
    )  # fmt: skip
    left, rejections, ledger = records, [], {}
    while left:
        folded = fold.fold(left)
        rejections += folded.rejections
        ledger.update(folded.ledger)
        assert not folded.unbalanced
        left = left[folded.count :]
    stored = [
        StoredRecord(0, each.offset, each.append_time, each.key, each.value, each.headers, each.unreadable_to)
        for each in records
    ]
    expected = expect(stored, Deciding(), 1, topic="raw", record_duplicates=record_duplicates, source_mark=mark)
    assert rejections == expected.rejections
    assert ledger == expected.ledger
    return rejections, ledger, fold.entry.fence


def test_bytes_without_records_are_one_rejection_and_the_fence_passes_them_all() -> None:
    records = [good(0), RawRecord(1, NOON + 1, None, None, (), 7), good(8), good(9, NOON + HOUR_MS)]
    rejections, ledger, fence = both(records)
    assert [(each.offset, each.reason, each.path, each.company) for each in rejections] == [
        (1, Reason.UNREADABLE, "", None)
    ]
    assert fence == 9
    spine = next(entry for entry in map(decode_entry, ledger.values()) if entry.log is not None)
    assert spine.log is not None
    assert (spine.log.first, spine.log.last, spine.log.received) == (0, 8, 3)
    assert spine.rejected == {Reason.UNREADABLE: 1}


def test_they_may_be_the_last_of_an_hour() -> None:
    _, ledger, _ = both([good(0), RawRecord(1, NOON, None, None, (), 5), good(6, NOON + HOUR_MS)])
    logs = [entry.log for entry in map(decode_entry, ledger.values()) if entry.log is not None]
    assert [(log.first, log.last) for log in logs] == [(0, 5)]


def test_of_many_refusals_a_hundred_are_named_in_order() -> None:
    other = GOOD | {"company": "other", "id": "x", "sequence": 5000}
    bad = [{} if number % 2 else other for number in range(301)]
    record = RawRecord(0, NOON, KEY, json.dumps(bad).encode())
    rejections, ledger, _ = both([record, good(1), good(2, NOON + HOUR_MS)])
    assert len(rejections) == 100
    assert [each.path.split("/")[1] for each in rejections] == [str(number) for number in range(100)]
    assert rejections[-1].more == 201
    assert [each for each in rejections[:-1] if b"more" in encode_rejection(each)] == []
    assert decode_rejection(encode_rejection(rejections[-1])) == rejections[-1]
    spine = next(entry for entry in map(decode_entry, ledger.values()) if entry.company is None)
    assert spine.rejected == {Reason.NOT_CLOUDEVENTS: 150, Reason.KEY_MISMATCH: 151}


def test_a_hundred_refusals_have_no_more() -> None:
    rejections, _, _ = both([RawRecord(0, NOON, KEY, json.dumps([{}] * 100).encode())])
    assert len(rejections) == 100
    assert b"more" not in encode_rejection(rejections[-1])


def test_duplicates_that_are_not_recorded_are_not_among_the_hundred() -> None:
    batch = [GOOD | {"id": f"{number // 2}", "sequence": number // 2} for number in range(300)]
    late = {"time": "2020-01-01T00:00:00Z"}
    record = RawRecord(0, NOON, KEY, json.dumps([*batch, *(one | late | {"sequence": 900} for one in batch)]).encode())
    for record_duplicates in (False, True):
        rejections, _, _ = both([record], record_duplicates=record_duplicates)
        assert len(rejections) == 100
        assert rejections[-1].more == (350 if record_duplicates else 200)
