"""What one company may make the second fold hold, beside plain lists of everything that was ever admitted."""

from collections import Counter
from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.count.company_bounds import SERIES, CompanyBounds, Held, bounds_key, newest_day
from agents.core.count.state import Entry, is_expired
from agents.core.shared.joins import StateError, fence_of, payload_of, seal
from schemas.bounds import Bound
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.limits import DAY_MS

DECIDING = replace(Deciding(), lateness=2 * DAY_MS, max_users=2, max_company_series=3)
DAY = 20_000
"""Since 1970."""
SERIES_KINDS = [kind for kind in Held if kind is not Held.USERS]
FEW = [Held.USERS, Held.USERS, Held.COUNTS, Held.SOURCES]


def asking(seed: int, count: int) -> list[tuple[str, int, Held, int]]:
    """(company, days ahead of the log, kind, by how many days the log goes on before)."""
    draw = Random(seed)
    return [
        (draw.choice("ab"), draw.randint(-4, 3), draw.choice(FEW), draw.choice([0, 0, 0, 1, 2])) for _ in range(count)
    ]


class Model:
    """Everything that was admitted, as (company, day, kind); what is over is never taken out."""

    def __init__(self) -> None:
        self.admitted: list[tuple[str, int, Held]] = []
        self.floor = -1

    def count(self, company: str, kind: Held, day: int | None = None) -> int:
        return sum(
            (each[0], each[2]) == (company, kind) and (each[1] >= self.floor if day is None else each[1] == day)
            for each in self.admitted
        )

    def admit(self, company: str, day: int, kind: Held) -> bool:
        day = max(day, self.floor)
        held = self.count(company, kind, day if kind is Held.USERS else None)
        if held >= (DECIDING.max_users if kind is Held.USERS else DECIDING.max_company_series):
            return False
        self.admitted.append((company, day, kind))
        return True


@settings(max_examples=80, deadline=None)
@given(st.builds(asking, st.integers(), st.integers(0, 60)), st.booleans())
def test_each_company_has_room_as_in_a_plain_list_of_what_it_holds(
    asked: list[tuple[str, int, Held, int]], recover: bool
) -> None:
    bounds, model, stored, passed = CompanyBounds(DECIDING), Model(), dict[str, bytes](), 0
    over: Counter[Bound] = Counter()
    for at, (company, ahead, kind, later) in enumerate(asked):
        passed += later
        model.floor = DAY + passed - 2
        bounds.reach((DAY + passed) * DAY_MS + 5)
        day = DAY + passed + ahead
        fits = model.admit(company, day, kind)
        assert bounds.admit(company, (day + 1) * DAY_MS, kind) is fits
        over[Bound.USERS if kind is Held.USERS else Bound.SERIES] += not fits
        for name in "ab":
            sources = model.count(name, Held.SOURCES)
            for more in (1, 3):
                assert bounds.has_room_for_sources(name, more) is (sources + more <= 3)
                over[Bound.SERIES] += sources + more > 3
        if recover:
            stored.update({key.decode()[1:]: value for key, value in bounds.writes(at)})
            bounds = CompanyBounds(DECIDING)
            bounds.reach((DAY + passed) * DAY_MS + 5)
            for name, value in stored.items():
                bounds.restore(name, value)
    if not recover:
        assert bounds.drain() == over
        assert bounds.drain() == Counter()


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(Held)), min_size=1, max_size=12))
def test_what_is_written_is_a_row_a_day_of_what_is_held_and_reads_the_same(rows: list[tuple[int, Held]]) -> None:
    bounds, wanted = CompanyBounds(replace(DECIDING, max_users=99, max_company_series=99)), dict[int, list[int]]()
    for day, kind in rows:
        bounds.admit("acme", (DAY + day + 1) * DAY_MS, kind)
        wanted.setdefault(DAY + day, [0] * 8)[kind] += 1
    ((key, value),) = bounds.writes(41)
    assert (key, fence_of(value)) == (bounds_key("acme"), 41)
    told = msgspec.msgpack.decode(payload_of(value))
    assert {row[0]: row[1:] + [0] * (9 - len(row)) for row in told} == wanted
    assert [row[0] for row in told] == sorted(wanted)
    assert all(len(row) >= 5 and (len(row) == 5 or row[-1]) for row in told)
    assert newest_day(value) == max(wanted)
    assert list(bounds.writes(42)) == []
    again = CompanyBounds(DECIDING)
    again.restore("acme", value)
    again.touched["acme"] = None
    assert list(again.writes(41)) == [(key, value)]


@pytest.mark.parametrize(
    "rows", [[], [[1, 2, 3, 4]], [[1, *[0] * 9]], [[1, 0, 0, 0, 0], []], None, [["1", 0, 0, 0, 0]]]
)
def test_rows_of_another_form_are_refused(rows: object) -> None:
    value = seal(3, rows)
    for read in (lambda: CompanyBounds(DECIDING).restore("acme", value), lambda: newest_day(value)):
        with pytest.raises(StateError):
            read()


@pytest.mark.parametrize("kind", SERIES_KINDS)
def test_kinds_do_not_take_each_others_room(kind: Held) -> None:
    bounds = CompanyBounds(DECIDING)
    bounds.reach(DAY * DAY_MS)
    end = (DAY + 1) * DAY_MS
    assert [bounds.admit("acme", end, kind) for _ in range(4)] == [True] * 3 + [False]
    for other in {*SERIES_KINDS} - {kind}:
        assert bounds.admit("acme", end, other)
    assert bounds.admit("acme", end, Held.USERS)
    assert bounds.admit("beta", end, kind)
    assert bounds.peaks == {Bound.USERS: 1, Bound.SERIES: 3}


def test_every_kind_of_metric_has_series_of_its_own() -> None:
    assert set(SERIES) == set(Kind)
    assert len(set(SERIES.values())) == len(Kind)
    assert not {Held.USERS, Held.SOURCES, Held.READINGS} & set(SERIES.values())


def test_a_window_that_ends_at_midnight_is_of_the_day_before() -> None:
    bounds = CompanyBounds(DECIDING)
    bounds.reach(DAY * DAY_MS)
    for end in (DAY * DAY_MS, DAY * DAY_MS + 1):
        bounds.admit("acme", end, Held.USERS)
    ((_, value),) = bounds.writes(0)
    assert [row[0] for row in msgspec.msgpack.decode(payload_of(value))] == [DAY - 1, DAY]


@pytest.mark.parametrize("late", range(5))
def test_a_company_is_forgotten_with_its_last_day_and_recovery_agrees(late: int) -> None:
    bounds = CompanyBounds(DECIDING)
    bounds.reach(DAY * DAY_MS)
    bounds.admit("acme", (DAY + 1) * DAY_MS, Held.COUNTS)
    bounds.admit("later", (DAY + 9) * DAY_MS, Held.COUNTS)
    stored = dict(bounds.writes(5))
    closing = (DAY + late) * DAY_MS + DAY_MS - 1
    assert bounds.drop_expired(closing) == (["acme"] if late > 2 else [])
    assert bounds.has("acme") is (late <= 2)
    assert bounds.has("later")
    assert bounds.drop_expired(closing) == []
    expired = [
        key for key, value in stored.items() if is_expired(key, value, Entry(closing_watermark=closing), DECIDING)
    ]
    assert expired == ([bounds_key("acme")] if late > 2 else [])


def test_a_company_that_was_forgotten_is_not_written_any_more() -> None:
    bounds = CompanyBounds(DECIDING)
    bounds.admit("acme", (DAY + 1) * DAY_MS, Held.COUNTS)
    assert bounds.drop_expired((DAY + 9) * DAY_MS) == ["acme"]
    assert list(bounds.writes(0)) == []
