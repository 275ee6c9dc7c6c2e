"""Ticks and control records in the first fold: what is genuine, and what is kept of those that are not."""

import pytest

from agents.core.shared.control import ControlKeys, InForce
from agents.core.shared.records import RawRecord
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import OracleKeys
from schemas.deciding import Deciding, deciding_part, key_parts
from schemas.limits import DAY_MS, HOUR_MS
from schemas.reasons import Outcome, Reason
from schemas.wire.clean import encode_chunk
from tests.control_kit import (
    DIGEST,
    KEYS,
    PREVIOUS,
    PSEUDONYMS,
    SECRET,
    TOPIC,
    digest_of,
    expected,
    fold_text,
    tick_text,
)
from tests.core.control_fold_kit import BOTH, IDLE, NOON, OLD, OLD_DIGEST, bare, control, fold_of, good, run, tick


def test_the_texts_are_as_the_contract_writes_them() -> None:
    assert KEYS.tick(TOPIC, 3, 17, DIGEST) == tick_text(SECRET, TOPIC, 3, 17)
    assert KEYS.fold(TOPIC, 3, OLD_DIGEST, 2, DIGEST) == fold_text(SECRET, TOPIC, 3, OLD_DIGEST, 2)
    assert BOTH.fold(TOPIC, 3, DIGEST, 2, OLD_DIGEST) == fold_text(PREVIOUS, TOPIC, 3, DIGEST, 2)
    assert "101112" not in repr(KEYS)
    with pytest.raises(ValueError, match="32 bytes"):
        ControlKeys(b"short")


def test_a_digest_has_sixteen_digits_of_what_decides_and_sixteen_of_the_keys() -> None:
    facts, _, keys = DIGEST.partition("-")
    assert [len(facts), len(keys)] == [16, 16]
    assert key_parts(DIGEST) == (PSEUDONYMS.fingerprint()[:8], KEYS.mark)
    assert deciding_part(digest_of(Deciding(partitions=9))) != facts
    assert deciding_part(OLD_DIGEST) == facts


@pytest.mark.parametrize(("seed", "size"), [(0, 1000), (1, 1), (2, 3)])
def test_fold_and_oracle_read_a_log_with_a_change_of_keys_alike(seed: int, size: int) -> None:
    later = NOON + 3 * HOUR_MS
    records = [
        bare(0, "footfall-tick", tick_text(SECRET, TOPIC, 0, 0)),
        bare(1, "footfall-tick", tick_text(PREVIOUS, TOPIC, 0, 0), key=b""),
        good(2),
        tick(3, NOON, later, PREVIOUS),
        tick(4, NOON, later, PREVIOUS),
        control(5, DIGEST, 1, SECRET, later),
        control(6, DIGEST, 2, PREVIOUS, later),
        control(7, DIGEST, 1, PREVIOUS, later),
        control(8, DIGEST, 1, PREVIOUS, later),
        control(9, DIGEST, 1, SECRET, later),
        tick(10, later, later + HOUR_MS, PREVIOUS),
        tick(11, later, later + HOUR_MS, SECRET),
        bare(12, "footfall-fold", b"78 kB of a person's life"),
        bare(13, "footfall-fold", None),
        RawRecord(14, NOON, b"acme", None, (("more", None), ("footfall-tick", b"1"))),
        good(15, later + HOUR_MS),
        good(16, later + 2 * HOUR_MS),
    ]
    keys = OracleKeys({KEYS.mark: SECRET, OLD.mark: PREVIOUS}, PREVIOUS)
    fold = fold_of()
    fold.begin_under(OLD_DIGEST)
    found = run(fold, records, size)
    stored = [StoredRecord(0, *tuple(getattr(each, name) for name in RawRecord.__struct_fields__)) for each in records]
    wanted = expected(stored, Deciding(), 1, keys=keys, record_duplicates=True, source_mark=_mark)
    assert [each for one in found for each in one.rejections] == wanted.rejections
    assert {key: value for one in found for key, value in one.ledger} == wanted.ledger
    assert [each.offset for each in wanted.rejections if each.reason is Reason.FORGED_CONTROL] == [
        0, 5, 8, 10, 12, 13, 14,
    ]  # fmt: skip
    outcomes = sum((one.outcomes for one in found[1:]), found[0].outcomes)
    assert (outcomes[Outcome.TICK], outcomes[Outcome.CONTROL]) == (4, 3)
    assert fold.entry.in_force == InForce(1, IDLE, (OLD_DIGEST, DIGEST))
    (alone,) = [one for one in found if one.chunk.first <= 7 <= one.chunk.last]
    assert (alone.chunk.first, alone.chunk.last, alone.chunk.digest, alone.chunk.number) == (7, 7, DIGEST, 1)


def _mark(company: str, source: str) -> str:
    return PSEUDONYMS.source(company, source).hex()[:16]


def test_nothing_of_a_forged_record_is_kept() -> None:
    fold, text = fold_of(), b"Jane Doe, 4711"
    (folded,) = run(fold, [bare(0, "footfall-fold", text), bare(1, "footfall-tick", text, key=text)])
    told = b"".join((write.value or b"") + write.key for write in folded.writes) + encode_chunk(folded.chunk)
    assert text not in told + repr(folded.rejections).encode()


def test_without_keys_nothing_is_genuine_and_no_tick_is_due() -> None:
    fold = fold_of(keys=None)
    (folded,) = run(fold, [tick(0, 0, NOON), control(1, OLD_DIGEST, 1)])
    assert folded.reasons == {Reason.FORGED_CONTROL: 2}
    assert not fold.tick_due(NOON + DAY_MS, 0)
<<<<<<< HEAD


def test_a_stale_tick_is_nothing_and_what_is_refused_whole_makes_none_stale() -> None:
    fold = fold_of()
    run(fold, [good(0), RawRecord(1, NOON + 1, None, b"{"), bare(2, "footfall-tick", b"1", NOON + 2)])
    assert fold.entry.seen == NOON
    closing = fold.entry.closing_watermark
    run(fold, [tick(3, NOON + 1, NOON + HOUR_MS)])
    assert fold.entry.closing_watermark == closing
    run(fold, [tick(4, NOON, NOON + 2 * HOUR_MS)])
    assert fold.entry.closing_watermark == NOON + 2 * HOUR_MS - IDLE
    assert fold.entry.seen == NOON + 2 * HOUR_MS


@pytest.mark.parametrize(
    "event", [{"time": "2026-11-11T12:00:00Z"}, {"time": "2026-01-01T00:00:00Z"}, {"sequence": 0}, {"id": "x"}]
)
def test_every_event_of_right_form_and_key_counts_for_seen(event: dict[str, Any]) -> None:
    fold = fold_of()
    run(fold, [good(0), good(1, NOON + 7, **event)])
    assert fold.entry.seen == NOON + 7


def test_an_event_under_a_wrong_key_does_not() -> None:
    fold, wrong = fold_of(), good(1, NOON + 7)
    run(fold, [good(0), RawRecord(1, NOON + 7, b"other", wrong.value)])
    assert fold.entry.seen == NOON


def test_a_tick_is_due_when_it_would_close_something_and_nothing_came_for_a_while() -> None:
    fold = fold_of()
    run(fold, [good(0, NOON, time="2026-11-10T11:59:00Z")])
    closes = NOON + HOUR_MS  # of the hour from 11 to 12
    assert not fold.tick_due(closes + IDLE - 1, 0)
    assert fold.tick_due(closes + IDLE, 0)
    run(fold, [RawRecord(1, closes + IDLE - 1, None, b"junk")])  # postpones nothing
    assert fold.tick_due(closes + IDLE, 0)
    run(fold, [good(2, closes + 10, time="2026-11-10T11:59:00Z")])  # does, and closes nothing by its time
    assert not fold.tick_due(closes + 10 + IDLE - 1, 0)
    told = fold.tick()
    (folded,) = run(fold, [bare(3, "footfall-tick", told, closes + 10 + IDLE)])
    assert folded.outcomes == {Outcome.TICK: 1}
    assert not fold.tick_due(closes + 10 + 2 * IDLE, 0)


def test_a_month_closes_everywhere() -> None:
    fold, december = fold_of(), parse_time("2026-12-01T00:00:00Z")
    assert fold.entry.closing_watermark == NEVER
    assert not fold.tick_due(NOON + IDLE - 1, since=NOON)
    assert fold.tick_due(NOON + IDLE, since=NOON)  # all that is past
    run(fold, [bare(0, "footfall-tick", fold.tick(), NOON + IDLE)])
    assert fold.entry.closing_watermark == NOON
    assert not fold.tick_due(december + DAY_MS + IDLE - 1, since=NOON)
    assert fold.tick_due(december + DAY_MS + IDLE, since=NOON)
    run(fold, [bare(1, "footfall-tick", fold.tick(), december + DAY_MS + IDLE)])
    assert not fold.tick_due(december + 20 * DAY_MS, since=NOON)


def test_a_partition_of_nothing_but_junk_is_idle_since_its_assignment() -> None:
    fold = fold_of()
    run(fold, [RawRecord(0, NOON, None, b"junk")])
    assert not fold.tick_due(NOON + HOUR_MS, since=NOON + HOUR_MS)
    assert fold.tick_due(NOON + HOUR_MS + IDLE, since=NOON + HOUR_MS)


def test_what_is_in_force_is_kept_with_the_state() -> None:
    one, other = fold_of(), fold_of(digest=digest_of(PATIENT), deciding=PATIENT, keys=KEYS)
    state: dict[bytes, bytes | None] = {}
    for folded in run(one, [good(0), control(1, digest_of(PATIENT), 1), tick(2, NOON, NOON + 9)]):
        state |= {write.key: write.value for write in folded.writes}
    assert one.entry.in_force == InForce(1, -1, (DIGEST, digest_of(PATIENT)))
    other.restore((key, value) for key, value in state.items() if value is not None)
    assert other.digest == digest_of(PATIENT)
    assert other.learn()
    assert not other.learn()
    assert other.entry.in_force.idle_after == HOUR_MS


def test_a_tick_before_its_own_record_is_folded_with_the_former_idle_after() -> None:
    one, state = fold_of(keys=KEYS), dict[bytes, bytes | None]()
    for folded in run(one, [good(0)]):
        state |= {write.key: write.value for write in folded.writes}
    new = fold_of(digest=digest_of(PATIENT), deciding=PATIENT, keys=KEYS)
    new.restore((key, value) for key, value in state.items() if value is not None)
    rest = [tick(1, NOON, NOON + 2 * HOUR_MS), control(2, digest_of(PATIENT), 1)]
    backlog = new.backlog()
    assert backlog.scan(rest)
    assert (backlog.brings, backlog.others) == (2, 0)
    for fold in (one, new):
        run(fold, list(rest))
    assert new.entry.closing_watermark == one.entry.closing_watermark == NOON + 2 * HOUR_MS - IDLE


def test_what_lies_ahead_of_a_place() -> None:
    fold = fold_of()
    fold.begin_under(OLD_DIGEST)
    middle = digest_of(PATIENT, OLD)
    records = [
        good(0),
        control(1, middle, 1, PREVIOUS),
        control(2, DIGEST, 1, PREVIOUS),  # stale
        bare(3, "footfall-fold", b"forged"),
        RawRecord(4, NOON, None, None, (), 9),
        control(10, DIGEST, 2, PREVIOUS),
        good(11),
    ]
    backlog = fold.backlog()
    assert not backlog.scan(records[:5])
    assert backlog.in_force.digest == middle
    assert backlog.scan(records[5:])
    assert (backlog.brings, backlog.others) == (10, 3)
    assert backlog.in_force.digests == (OLD_DIGEST, middle, DIGEST)
    assert fold.digest == OLD_DIGEST


def test_of_many_digests_the_first_and_the_last_are_kept() -> None:
    in_force = InForce(0, 5, ("first",))
    for number in range(100):
        in_force = in_force.after(str(number))
    assert (in_force.number, in_force.digest, in_force.digests[0], len(in_force.digests)) == (100, "99", "first", 64)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ((3, 4, 5, 6), FormerStateError),
        ((3, 4, 5, 6, 0, 7, 2, (0, 0, ["a"])), OtherPartitionsError),
        ((3, 4, 5, 6, 0, 7, 1, 5), StateError),
        ((3, 4, 5, 6, 0, 7, 1, ("x", 0, [])), StateError),
        ((3, 4, 5), StateError),
    ],
)
def test_state_of_another_kind_is_not_taken_up(fields: tuple[object, ...], error: type[StateError]) -> None:
    with pytest.raises(StateError) as caught:
        fold_of().restore([(ENTRY_KEY, seal(3, fields))])
    assert caught.type is error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ((0,) * 8, FormerStateError),
        ((*(0,) * 8, 2, (0, 0, [])), OtherPartitionsError),
        ((*(0,) * 8, 1, 7), StateError),
        ((0,) * 9, StateError),
    ],
)
def test_state_of_another_kind_is_not_counted_on(fields: tuple[object, ...], error: type[StateError]) -> None:
    with pytest.raises(StateError) as caught:
        Entry.read(seal(3, fields), 1)
    assert caught.type is error


def test_the_second_fold_follows_what_both_know() -> None:
    entry, first = Entry(partitions=1), fold_of().fold([good(0)]).chunk
    entry.follow(first)
    assert entry.in_force == InForce(0, -1, (deciding_part(DIGEST),))
    fold = fold_of(keys=KEYS)
    chunks = [one.chunk for one in run(fold, [good(0), control(1, OLD_DIGEST, 1), good(2)])]
    for chunk in chunks:
        entry.follow(chunk)
    assert entry.in_force == InForce(0, -1, (deciding_part(DIGEST),))  # another key is nothing to it
    begun = Entry(partitions=1)
    begun.follow(fold_of(keys=KEYS).fold([control(0, digest_of(PATIENT), 1)]).chunk)
    assert begun.in_force == InForce(1, -1, ("", deciding_part(digest_of(PATIENT))))


def test_chunks_of_another_version_are_told_apart() -> None:
    former = b"\xdc\x00\x11\x01" + b"\xc0" * 16  # an array of 17 fields, the first of them 1
    with pytest.raises(OtherVersionError) as caught:
        decode_chunk(former)
    assert caught.value.version == 1
    chunk = fold_of().fold([good(0)]).chunk
    assert decode_chunk(encode_chunk(chunk)).version == CLEAN_VERSION
    chunk.version = CLEAN_VERSION + 1
    with pytest.raises(OtherVersionError):
        decode_chunk(encode_chunk(chunk))
=======
>>>>>>> split-c
