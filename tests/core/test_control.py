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
