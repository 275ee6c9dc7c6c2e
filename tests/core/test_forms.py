"""Both forms of the first fold write the same bytes in the same order, and cut chunks at the same records."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.accept import fast_path
from agents.core.accept import fold as accept_fold
from agents.core.shared.records import RawRecord
from schemas.deciding import Deciding
from tests.core.events_hostile import DAMAGED, EVENT, GOOD
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.core.test_fast_path import both

NOON = 1793527200000
SMALL = st.sampled_from([1, 300, 700, 1000, 2000, 5000, 20_000])
"""Bytes of a chunk's state: from one record a chunk to some fifty."""


def cut_alike(records: list[RawRecord], deciding: Deciding, place: tuple[int, int], size: int, most: int) -> int:
    """Chunks of at most ``size`` records and ``most`` bytes of state, alike in all forms; how many there were."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (accept_fold, fast_path):
            patch.setattr(module, "CHUNK_BYTES", most)
        return len(both(records, deciding, *place, size))


def of_partition(seed: int, partition: int, noise: random.Random) -> list[RawRecord]:
    """A random log with more of what is refused: companies that are counted and refused in turn, and rubbish."""
    found: list[RawRecord] = []
    for record in random_log(seed):
        if record.partition == partition:
            found.append(RawRecord(len(found), record.append_time, record.key, record.value, record.headers))
            if noise.random() < 0.2:
                again = noise.choice(found)
                found.append(RawRecord(len(found), record.append_time, again.key, again.value, again.headers))
            if noise.random() < 0.1:
                value = noise.choice([b"", b"{", b"[{},5]", b"[]", json.dumps([GOOD, {}, GOOD]).encode()])
                found.append(RawRecord(len(found), record.append_time, b"acme", value))
    return found


@pytest.mark.parametrize("seed", range(30))
def test_random_logs_are_cut_alike(seed: int) -> None:
    choose = random.Random(seed)
    for partition in range(PARTITIONS):
        records = of_partition(7000 + seed, partition, choose)
        most = choose.choice([1, 300, 700, 1000, 2000, 5000, 20_000])
        cut_alike(records, DECIDING, (partition, PARTITIONS), choose.choice([7, 40, 1000]), most)


VALUE = (
    st.builds(lambda event: json.dumps(event).encode(), EVENT)
    | st.builds(lambda events: json.dumps(events).encode(), st.lists(EVENT | st.just(GOOD), max_size=4))
    | DAMAGED
    | st.sampled_from([b"", b"{", b"{}", b"1", b"[]", b"[1]"])
)
COMPANIES = ["acme", "beta", "c-3"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(VALUE, st.sampled_from(COMPANIES)), max_size=25), st.integers(1, 30), SMALL)
def test_hostile_records_are_cut_alike(values: list[tuple[bytes, str]], size: int, most: int) -> None:
    records = [
        RawRecord(offset, NOON + offset, company.encode(), value.replace(b'"acme"', json.dumps(company).encode()))
        for offset, (value, company) in enumerate(values)
    ]
    cut_alike(records, Deciding(), (0, 1), size, most)


def test_an_account_is_written_in_its_place_however_its_company_came() -> None:
    good = [GOOD | {"id": f"{number}", "sequence": number} for number in range(4)]
    values = [json.dumps(each).encode() for each in (good[0], [good[1], {}], good[0], [{}, good[2]], good[3])]
    records = [RawRecord(offset, NOON, b"acme", value) for offset, value in enumerate(values)]
    for most in (1, 500, 900, 10_000):
        cut_alike(records, Deciding(), (0, 1), 10, most)
