"""A standby equals the join of the whole log, whenever it looked, and forgets what the log may have lost."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from agents.core.shared.joins import ENTRY_KEY, JoinedLog, seal
from agents.core.shared.standby import Standby


class Stored(NamedTuple):
    offset: int
    append_time: int
    key: bytes
    value: bytes | None


KEYS = st.sampled_from([b"a", b"b", b"c", ENTRY_KEY])
VALUES = st.builds(seal, st.integers(-1, 5), st.lists(st.integers(0, 3), min_size=1, max_size=1))
LOGS = st.lists(st.tuples(KEYS, VALUES | st.none()).filter(lambda row: row != (ENTRY_KEY, None)), max_size=30)


def log_of(rows: list[tuple[bytes, bytes | None]]) -> list[Stored]:
    return [Stored(offset, 100 * offset, key, value) for offset, (key, value) in enumerate(rows)]


def whole(log: list[Stored]) -> JoinedLog:
    joined = JoinedLog()
    for record in log:
        joined.apply(record.key, record.value)
    return joined


@given(LOGS, st.lists(st.integers(0, 30)))
def test_taken_in_any_pieces_it_is_the_join_of_the_log(rows: list[tuple[bytes, bytes | None]], cuts: list[int]) -> None:
    log, standby = log_of(rows), Standby()
    for cut in [*sorted(cuts), len(log)]:
        standby.apply([record for record in log[:cut] if record.offset >= standby.next])
    assert standby.next == len(log)
    assert dict(standby.joined.items()) == dict(whole(log).items())
    assert [*standby.joined.to_mend()] == [*whole(log).to_mend()]


@given(LOGS, st.integers(0, 3000))
def test_it_forgets_keys_whose_last_record_is_an_old_deletion_and_no_others(
    rows: list[tuple[bytes, bytes | None]], before: int
) -> None:
    log, standby = log_of(rows), Standby()
    standby.apply(log)
    standby.forget(before)
    last = {record.key: record for record in log}
    kept = {
        key: value
        for key, value in whole(log).items()
        if last[key].value is not None or last[key].append_time >= before
    }
    assert dict(standby.joined.items()) == kept


def test_a_key_that_came_back_is_not_forgotten() -> None:
    standby = Standby()
    standby.apply(log_of([(b"a", seal(1, 1)), (b"a", None), (b"a", seal(5, 1))]))
    standby.forget(10**9)
    assert standby.joined.get(b"a") == seal(5, 1)
    standby.begin_anew()
    assert (standby.next, len(standby.joined)) == (0, 0)
