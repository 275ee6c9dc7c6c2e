"""The books of an hour: what is closed when, how it is chained, and what a hole or an imbalance comes to."""

import json
from typing import Any

import pytest

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.ledger import HOUR_KEY, Account
from agents.core.accept.state import Folded
from agents.core.shared.home import home
from agents.core.shared.records import RawRecord
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.wire.ledger import COUNTED, LedgerEntry, decode_entry, digest_outcomes, hash_hour, pack_outcome
from tests.control_kit import DIGEST, KEYS, SECRET, fold_text, tick_text
from tests.core.events_hostile import GOOD
from tests.core.world import PSEUDONYMS

NOON = 1793534400000 - 1793534400000 % HOUR_MS


def fold_of() -> AnonymizeFold:
    return AnonymizeFold(Deciding(), PSEUDONYMS, topic="raw", partition=0, partitions=1, digest="d")


def record(offset: int, append_time: int, **more: Any) -> RawRecord:
    event = GOOD | {"id": f"{offset}", "sequence": offset} | more
    return RawRecord(offset, append_time, event["company"].encode(), json.dumps(event).encode())


def folded(fold: AnonymizeFold, records: list[RawRecord]) -> list[Folded]:
    found = []
    while records:
        found.append(fold.fold(records))
        records = records[found[-1].count :]
    return found


def closed(outcomes: list[Folded]) -> list[LedgerEntry]:
    return [decode_entry(value) for each in outcomes for _, value in each.ledger]


def test_an_hour_is_closed_by_the_first_record_of_a_later_one() -> None:
    fold = fold_of()
    records = [record(0, NOON), record(1, NOON + HOUR_MS - 1), record(2, NOON + HOUR_MS), record(3, NOON + HOUR_MS - 9)]
    outcomes = folded(fold, records)
    assert [each.count for each in outcomes] == [2, 2]
    spine, company = closed(outcomes)
    assert (spine.company, spine.received, spine.previous) == (None, 0, None)
    assert spine.log is not None
    assert (spine.log.first, spine.log.last, spine.log.entries, spine.log.received) == (0, 1, 2, 2)
    assert (company.company, company.received, company.counted) == (GOOD["company"], 2, 2)
    assert (company.first, company.last, company.log) == (0, 1, None)


def test_hours_are_chained_over_those_without_a_record() -> None:
    fold = fold_of()
    outcomes = folded(fold, [record(0, NOON), record(1, NOON + 5 * HOUR_MS), record(2, NOON + 6 * HOUR_MS)])
    first, second = (each.ledger for each in outcomes if each.ledger)
    for _, value in second:
        previous = decode_entry(value).previous
        assert previous is not None
        assert previous.hash == hash_hour(first)
    assert len({decode_entry(value).hour for _, value in first + second}) == 2


def test_what_is_dropped_and_refused_is_in_the_books() -> None:
    records = [record(0, NOON), record(1, NOON, sequence=0), record(2, NOON, company="acme", type="no.such")]
    records.append(RawRecord(3, NOON, None, b"{"))
    spine, company = closed(folded(fold_of(), [*records, record(4, NOON + HOUR_MS)]))
    assert (company.received, company.counted, company.duplicate, company.rejected) == (2, 1, 1, {})
    assert spine.rejected == {"unknown-type": 1, "not-json": 1}
    assert spine.log is not None
    assert spine.log.received == 4


def test_records_of_our_own_and_moved_ones_are_in_the_log_of_the_hour() -> None:
    fold = AnonymizeFold(Deciding(), PSEUDONYMS, topic="raw", partition=0, partitions=2, digest=DIGEST, control=KEYS)
    away = next(name for name in map(str, range(9)) if home(name.encode(), 2) == 1)
    records = [
        record(0, NOON, company=away),
        RawRecord(1, NOON, b"", None, (("footfall-tick", tick_text(SECRET, "raw", 0, 0)),)),
        RawRecord(2, NOON, None, None, (("footfall-tick", tick_text(SECRET, "raw", 0, 0)),)),  # stale by now
        RawRecord(3, NOON, None, None, (("footfall-fold", fold_text(SECRET, "raw", 0, DIGEST, 1)),)),
        RawRecord(4, NOON, None, None, (("footfall-fold", fold_text(SECRET, "raw", 0, DIGEST, 1)),)),  # and this
        RawRecord(5, NOON, None, None, (("footfall-fold", b"acme wants it"),)),
        RawRecord(6, NOON + HOUR_MS, None, b""),
    ]
    (spine,) = closed(folded(fold, records))
    assert spine.log is not None
    assert (spine.log.moved, spine.log.ticks, spine.log.controls, spine.log.received) == (1, 2, 2, 1)
    assert spine.rejected == {"forged-control": 1}


def test_an_accepted_gap_shows() -> None:
    fold = fold_of()
    folded(fold, [record(0, NOON)])
    fold.skip_to(10)
    (spine, *_), (later, *_) = (
        each
        for each in (
            closed([one])
            for one in folded(fold, [record(10, NOON), record(11, NOON + HOUR_MS), record(12, NOON + 2 * HOUR_MS)])
        )
        if each
    )
    assert spine.log is not None
    assert later.log is not None
    assert (spine.log.first, spine.log.last, spine.log.skipped) == (0, 10, 9)
    assert (later.log.first, later.log.last, later.log.skipped) == (11, 11, 0)


def test_a_gap_between_two_hours_belongs_to_the_second() -> None:
    fold = fold_of()
    folded(fold, [record(0, NOON)])
    fold.skip_to(10)
    first, _, second, _ = closed(folded(fold, [record(10, NOON + HOUR_MS), record(11, NOON + 2 * HOUR_MS)]))
    assert first.log is not None
    assert second.log is not None
    assert (first.log.first, first.log.last, first.log.skipped) == (0, 0, 0)
    assert (second.log.first, second.log.last, second.log.skipped) == (1, 10, 9)


@pytest.mark.parametrize("there", [True, False])
def test_what_a_release_without_books_has_folded_shows(there: bool) -> None:
    one, other = fold_of(), fold_of()
    state: dict[bytes, bytes | None] = {}
    for each in folded(one, [record(0, NOON)]):
        state |= {write.key: write.value for write in each.writes}
    books = {key: value for key, value in state.items() if key == HOUR_KEY or key[:1] == b"b"}
    for each in folded(one, [record(1, NOON), record(2, NOON)]):
        state |= {write.key: write.value for write in each.writes}
    state = {key: value for key, value in state.items() if key not in books} | (books if there else {})
    other.restore((key, value) for key, value in state.items() if value is not None)
    spine, *_ = closed(folded(other, [record(3, NOON), record(4, NOON + HOUR_MS)]))
    assert spine.log is not None
    wanted = (0, 3, 2) if there else (3, 3, 0)
    assert (spine.log.first, spine.log.last, spine.log.skipped) == wanted


def test_books_that_do_not_balance_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = fold_of()
    folded(fold, [record(0, NOON)])
    with monkeypatch.context() as patch:
        patch.setattr(Account, "enter", lambda *_: None)  # an event that nothing becomes of
        folded(fold, [record(1, NOON, source="another")])
    first, second = folded(fold, [record(2, NOON + HOUR_MS), record(3, NOON + 2 * HOUR_MS)])
    assert (first.unbalanced, second.unbalanced) == (True, False)


def test_the_digest_is_a_chain_over_whole_blocks_however_it_is_cut() -> None:
    outcomes = [pack_outcome(offset, offset % 3) for offset in range(100)]
    whole = digest_outcomes(b"", b"".join(outcomes))
    chain, rest = b"", b""
    for outcome in outcomes:
        chain, rest = digest_outcomes(chain, rest + outcome)
    assert (chain, rest) == whole
    assert len(rest) == 100 % 16 * 8


def test_plain_offsets_and_single_ones_are_digested_alike() -> None:
    one, other = Account(), Account()
    one.fast.extend(range(50))
    one.enter(50, 50, pack_outcome(50, 3), {3: 1})
    for offset in range(50):
        other.enter(offset, offset, pack_outcome(offset, COUNTED), {COUNTED: 1})
    other.enter(50, 50, pack_outcome(50, 3), {3: 1})
    assert one.payload() == other.payload()
