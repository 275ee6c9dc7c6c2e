"""A plan keeps what it promises: each share at its ends, its number of events, its companies, its period, its seed."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.shared.home import home
from pipeline.simulate.plan import Plan, SimRecord, home_of_record, simulate
from schemas.limits import DAY_MS
from schemas.times import parse_time
from tests.meters import METERS

QUIET = Plan(end=1_790_000_000_000, events=300, companies=6, duplicates=0, late=0, malformed=0, batches=0, misplaced=0)


def events(plan: Plan) -> Iterator[dict[str, Any]]:
    for record in simulate(plan):
        found = json.loads(record.value)
        yield from found if isinstance(found, list) else [found]


@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        replace,
        st.just(QUIET),
        seed=st.integers(-9, 9),
        companies=st.integers(1, 9),
        users=st.integers(3, 9),
        days=st.integers(1, 34),
        events=st.integers(1, 60),
        partitions=st.integers(1, 9),
        **dict.fromkeys(("duplicates", "late", "malformed", "batches", "misplaced"), st.sampled_from([0, 0.3, 1])),
    ),
    st.booleans(),
)
def test_a_plan_gives_the_same_records_whoever_draws_them(plan: Plan, own: bool) -> None:
    plan = replace(plan, catalogue=METERS if own else plan.catalogue)
    first, other = list(simulate(plan)), replace(plan, seed=plan.seed + 1)
    drawn = [one for one, _ in zip_longest(simulate(plan), simulate(other)) if one is not None]
    assert drawn == first
    assert all(0 <= home_of_record(record, plan.partitions) < plan.partitions for record in first)


@pytest.mark.parametrize("batches", [0, 0.5, 1])
def test_it_sends_as_many_events_as_are_asked_for(batches: float) -> None:
    for count in (1, 2, 299, 300):
        plan = replace(QUIET, batches=batches, events=count)
        assert sum(1 for _ in events(plan)) == count
        several = [isinstance(json.loads(record.value), list) for record in simulate(plan)]
        assert batches == 0.5 or set(several[:-1]) <= {batches == 1}


def test_without_troubles_every_event_is_on_time_in_its_company_s_place_and_told_once() -> None:
    found = list(events(QUIET))
    begin = QUIET.end - QUIET.days * DAY_MS
    assert all(begin - 4000 < parse_time(each["time"]) <= QUIET.end for each in found)
    assert len({each["id"] for each in found}) == len(found)
    for record in simulate(QUIET):
        assert record.partition is None
        assert (record.key or b"").decode() == json.loads(record.value)["company"]
        assert home_of_record(record, 8) == home(record.key or b"", 8)


def test_the_sequences_of_a_source_have_no_gap() -> None:
    seen: dict[str, list[int]] = {}
    for each in events(QUIET):
        if "sequence" in each:
            seen.setdefault(each["source"], []).append(each["sequence"])
    assert len(seen) > 3
    assert all(numbers == [*range(len(numbers))] for numbers in seen.values())


def test_duplicates_are_records_that_were_sent_before() -> None:
    sent: list[SimRecord] = []
    repeats = 0
    for record in simulate(replace(QUIET, duplicates=1)):
        repeats += record in sent
        sent.append(record)
    assert repeats == QUIET.events - 1  # behind each record but the first
    assert len(set(sent)) == QUIET.events


def test_misplaced_records_lie_where_they_say_some_without_a_key() -> None:
    found = list(simulate(replace(QUIET, misplaced=1)))
    assert all(record.partition is not None for record in found)
    assert {record.key is None for record in found} == {True, False}
    assert {home_of_record(record, 3) for record in found} <= {*range(8)}


def test_late_events_lie_before_their_turn_or_ahead_of_the_clock() -> None:
    plan = replace(QUIET, late=1, events=2000)
    kinds: Counter[str] = Counter()
    for number, each in enumerate(events(plan)):
        turn = plan.end - plan.days * DAY_MS + plan.days * DAY_MS * number // plan.events
        behind = turn - parse_time(each["time"])
        kinds["ahead" if behind < 0 else "too late" if behind >= 40 * DAY_MS else "late"] += 1
        assert behind == turn - plan.end - DAY_MS or 0 <= behind < 20 * DAY_MS or behind == 40 * DAY_MS
    assert 50 < kinds["ahead"] < 150
    assert 50 < kinds["too late"] < 150


def test_the_first_company_sends_most_and_each_has_users_of_its_own() -> None:
    plan = replace(QUIET, events=3000)
    by_company: Counter[str] = Counter(each["company"] for each in events(plan))
    assert len(by_company) == plan.companies
    assert by_company.most_common(1)[0][0] == "acme"
    users: dict[str, set[str]] = {}
    for each in events(plan):
        if "user" in each["data"]:
            users.setdefault(each["company"], set()).add(each["data"]["user"])
    owned = [user for found in users.values() for user in found]
    assert len(owned) == len(set(owned))
    assert len(users["acme"]) <= plan.users


def test_what_is_planted_hangs_on_the_seed_alone_and_is_planted_only_if_asked() -> None:
    plan = replace(QUIET, pii_canaries=True)
    planted = plan.canaries()
    assert planted == replace(plan, events=1, companies=1).canaries()
    assert not set(planted) & set(replace(plan, seed=2).canaries())
    assert QUIET.canaries() == []
    sent, clean = (b"".join(record.value for record in simulate(each)) for each in (plan, QUIET))
    assert all(text.encode() in sent and text.encode() not in clean for text in planted)


def test_own_types_are_sent_as_they_are_declared() -> None:
    sent = [each for each in events(replace(QUIET, catalogue=METERS, events=1500)) if each["type"] in METERS.types]
    own = {name for name in METERS.accepted if name not in QUIET.catalogue.types}
    assert {each["type"] for each in sent} >= own
    for each in sent:
        if each["type"] in own:
            data = {name: value for name, value in each["data"].items() if name != "user"}
            fields = {field.name: field for field in METERS.types[each["type"]].fields}
            assert set(data) <= set(fields)
            assert {name for name, field in fields.items() if field.required} <= set(data)
