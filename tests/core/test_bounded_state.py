"""State stays as large as what can still matter: people, sources, ids and windows of weeks ago leave it and its log."""

from dataclasses import replace

from agents.core.count.fold import AggregateFold
from agents.core.shared.joins import ENTRY_KEY
from bench.lifetime import Held, Lifetime, StateLog, anonymizing
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from tests.core.stores import in_memory

DECIDING = replace(Deciding(), lateness=2 * DAY_MS)
SETTLED = 75
"""Days until everything that expires has begun to: days of activity, then those of lateness and of the sweep."""


def kinds(log: StateLog) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for key in log.values:
        found[key[:1]] = found.get(key[:1], 0) + 1
    return found


def test_weeks_of_people_who_come_and_go_leave_the_state_as_large_as_it_was() -> None:
    life = Lifetime(DECIDING, active=48, fresh=24)
    days = [life.live(day) for day in range(SETTLED + 62)]
    settled, last = days[SETTLED : SETTLED + 31], days[-31:]  # the months' windows come and go with the month

    def most(held: list[Held], what: str) -> int:
        return max(getattr(each, what) for each in held)

    for what in ("users", "sources", "windows", "figures", "keys"):
        assert most(last, what) <= 1.05 * most(settled, what), what
    assert last[-1].users < 24 * 40  # those of some five weeks, not of all
    assert last[-1].sources < 60


def test_what_expired_is_deleted_from_the_changelog_and_what_is_left_restores_the_state() -> None:
    life = Lifetime(DECIDING, active=48, fresh=24)
    for day in range(SETTLED):
        held = life.live(day)
    assert held.deleted > 0
    raw, clean = (kinds(log) for log in life.logs)
    assert raw[b"s"] == len(in_memory(life.first._state.sources))
    assert clean[b"a"] == held.users
    assert clean[b"f"] == held.figures
    first, second = anonymizing(DECIDING), AggregateFold(DECIDING, 0)
    dead = first.restore(life.logs[0].values.items())
    assert len(dead) < 24  # what died since the day's sweep began
    assert second.restore(life.logs[1].values.items()) == []
    assert life.logs[1].values[ENTRY_KEY] == second.entry.write()
    assert second.activity.users == life.second.activity.users
    assert second.figures.windows.keys() == life.second.figures.windows.keys()
    left = life.first._state.sources
    assert in_memory(first._state.sources).keys() == {key for key in in_memory(left) if b"s" + key not in dead}
