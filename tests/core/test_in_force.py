"""What is in force: kept with the state, told of what lies ahead, followed by the second fold; and state of another."""

import pytest

from agents.core.count.state import Entry
from agents.core.shared.control import InForce
from agents.core.shared.joins import ENTRY_KEY, FormerStateError, OtherPartitionsError, StateError, seal
from agents.core.shared.records import RawRecord
from schemas.deciding import deciding_part
from schemas.limits import HOUR_MS
from schemas.wire.clean import CLEAN_VERSION, OtherVersionError, decode_chunk, encode_chunk
from tests.control_kit import DIGEST, KEYS, PREVIOUS, digest_of
from tests.core.control_fold_kit import IDLE, NOON, OLD, OLD_DIGEST, PATIENT, bare, control, fold_of, good, run, tick


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
