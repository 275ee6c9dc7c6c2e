"""The simulated world: the same plan gives the same bytes, and holds every trouble that it promises."""

from collections import Counter

import pytest

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.oracle import OracleResult, expect
from pipeline.simulate import Plan, simulate
from pipeline.simulate.plan import home_of_record
from schemas.catalogue.metrics import METRICS
from schemas.catalogue.types import EVENT_TYPES
from schemas.deciding import Deciding
from schemas.reasons import Reason

PLAN = Plan(end=1_790_000_000_000, events=20_000, malformed=0.02, pii_canaries=True)


def stored(plan: Plan) -> list[StoredRecord]:
    ends: Counter[int] = Counter()
    found = []
    for record in simulate(plan):
        partition = home_of_record(record, plan.partitions)
        found.append(StoredRecord(partition, ends[partition], plan.end, record.key, record.value, ()))
        ends[partition] += 1
    return found


@pytest.fixture(scope="module")
def expected() -> OracleResult:
    return expect(stored(PLAN), Deciding(), PLAN.partitions, topic="raw", record_duplicates=True)


def test_the_same_plan_gives_the_same_bytes_and_another_seed_others() -> None:
    small = Plan(end=1_790_000_000_000, events=500)
    assert list(simulate(small)) == list(simulate(small))
    assert list(simulate(small)) != list(simulate(Plan(end=small.end, events=500, seed=2)))


def test_every_reason_every_metric_and_every_type_occurs(expected: OracleResult) -> None:
    not_of_events = {Reason.UNREADABLE, Reason.FORGED_CONTROL, Reason.OVER_BOUND}  # and no bound is that low
    assert set(expected.by_reason) == set(Reason) - not_of_events
    assert {identity.split("|")[1] for identity in expected.figures} == set(METRICS)
    assert expected.moved
    sent = b"".join(record.value for record in simulate(PLAN))
    assert all(f'"{name}"'.encode() in sent for name in EVENT_TYPES)


def test_what_is_planted_is_in_raw_and_in_nothing_that_comes_of_it(expected: OracleResult) -> None:
    for planted in PLAN.canaries():
        search = LeakSearch([planted])
        search.records("raw", stored(PLAN))
        assert search.places
    search = LeakSearch(PLAN.canaries())
    search.look("figures", repr(expected.figures).encode())
    search.look("rejections", repr(list(expected.rejections)).encode())
    assert search.searched
    assert not search.places
