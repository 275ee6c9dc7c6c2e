"""Each bound of what a company can make the folds remember: what is past it, what it spares, and when there is room."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.intervals import IntervalSet
from agents.core.count.fold import AggregateFold
from agents.core.shared.joins import JoinedLog
from agents.core.shared.records import RawRecord
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle import expect
from schemas.bounds import Bound
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.rejections import Rejection
from tests.core.world import PSEUDONYMS

NOON = 1793534400000
WITHDRAWAL = {"type": "consent.changed", "data": {"scope": "app", "granted": False}}
GRANT = {"type": "consent.changed", "data": {"scope": "app", "granted": True}}
FEEDBACK = {"type": "feedback.given", "data": {"sentiment": "positive"}}


def event(source: str, sequence: int, at: int = NOON, company: str = "acme", **more: Any) -> tuple[int, dict[str, Any]]:
    told = {"specversion": "1.0", "id": f"{source}/{sequence}", "source": source, "sequence": sequence}
    return at, told | {"type": "chat.created", "company": company, "time": instant(at), "data": {}} | more


class Log:
    """A partition under both folds and the oracle, which must agree after every call of ``take``."""

    def __init__(self, **bounds: int) -> None:
        self.deciding = replace(Deciding(), **bounds)
        self.records: list[RawRecord] = []
        self.writes: list[Any] = []
        self.first = self._fold()
        self.second = AggregateFold(self.deciding, 0)
        self.rejections: list[Rejection] = []

    def _fold(self) -> AnonymizeFold:
        return AnonymizeFold(self.deciding, PSEUDONYMS, topic="raw", partition=0, partitions=1, digest="d")

    def take(self, events: Iterable[tuple[int, dict[str, Any]]]) -> list[str]:
        """Fold events; what became of each: its reason, or counted."""
        found = []
        for at, told in events:
            value = json.dumps(told).encode()
            record = RawRecord(len(self.records), at, told["company"].encode(), value)
            self.records.append(record)
            folded = self.first.fold([record])
            self.writes += folded.writes
            self.rejections += folded.rejections
            for part in self.second.fold([(record.offset, folded.chunk)]):
                assert part.writes
            found.append(str(next(iter(folded.reasons), "counted")))
        expected = self.expected()
        assert self.rejections == expected.rejections
        figures = {figure.id.decode(): figure.value for window in self.second.figures.windows.values()
                   for figure in window.figures() if figure.value}  # fmt: skip
        assert {name: each["value"] for name, each in expected.figures.items()} == {
            name: figures.get(name) for name in expected.figures
        }
        self._recover()
        return found

    def expected(self) -> Any:
        stored = [StoredRecord(0, each.offset, each.append_time, each.key, each.value, ()) for each in self.records]
        return expect(stored, self.deciding, 1, topic="raw", source_mark=lambda company, source: PSEUDONYMS.source(
            company, source).hex()[:16])  # fmt: skip

    def _recover(self) -> None:
        """Go on with what the changelog holds."""
        joined = JoinedLog()
        for write in self.writes:
            joined.apply(write.key, write.value)
        self.first = self._fold()
        self.first.restore_from(joined)


def test_a_company_has_so_many_sources_and_any_incarnation_of_them() -> None:
    log = Log(max_sources=2)
    sources = ("a", "b", "c", "a#1", "a#2", "c#1")
    assert log.take(event(source, 0) for source in sources) == [
        "counted", "counted", "over-bound", "counted", "counted", "over-bound",
    ]  # fmt: skip
    assert log.take([event("a", 1), event("c", 0), event("x", 0, company="beta")]) == [
        "counted",
        "over-bound",
        "counted",
    ]
    assert log.rejections[0].company == "acme"
    assert log.rejections[0].source == PSEUDONYMS.source("acme", "c").hex()[:16]


def test_a_company_has_so_many_incarnations() -> None:
    log = Log(max_incarnations=2)
    assert log.take([event("a#1", 0), event("a#2", 0), event("a#3", 0), event("a#1", 1)]) == [
        "counted", "counted", "over-bound", "counted",
    ]  # fmt: skip


def test_an_incarnation_costs_a_hundred_bytes_of_state_at_most() -> None:
    """Key and value, beside the name of its company; whatever its numbers are."""
    log = Log()
    log.take([event("a#1", 0), event("a#1", 2**63 - 1), event("b#2", 2**62)])
    heads = [write for write in log.writes if write.key.startswith(b"sacme|")]
    assert len(heads) == 3
    assert max(len(write.key) + len(write.value or b"") for write in heads) - len("acme") <= 100


def test_there_is_room_again_when_a_source_is_forgotten() -> None:
    log = Log(max_sources=2, lateness=2 * DAY_MS)
    later = NOON + 3 * DAY_MS
    log.take([event("a", 0), event("b", 0)])
    assert log.take([event("b", 1, later), event("c", 0, later), event("a", 1, later)]) == [
        "counted", "counted", "over-bound",
    ]  # fmt: skip


def test_an_incarnation_has_so_many_intervals_and_gaps_may_be_filled() -> None:
    log = Log(max_intervals=2)
    assert log.take(event("a", number) for number in (0, 2, 4, 1, 5, 9, 3, 11)) == [
        "counted", "counted", "over-bound", "counted", "counted", "over-bound", "counted", "over-bound",
    ]  # fmt: skip


def test_intervals_that_touch_where_leaves_meet_are_one() -> None:
    numbers = IntervalSet()
    for number in range(0, 200, 2):
        numbers.add(number)
    assert numbers.count() == 100
    for number in range(1, 199, 2):
        assert numbers.add_within(number, 1) > 0
    assert numbers.count() == 1
    assert numbers.is_past(300, 1)
    assert not numbers.is_past(199, 1)
    assert not numbers.is_past(5, 1)


def test_past_the_bound_of_words_a_withdrawal_takes_effect_for_the_company() -> None:
    log = Log(max_words=1)
    assert log.take([
        event("a", 0, **GRANT), event("b", 0, **GRANT), event("b", 1, **FEEDBACK), event("c", 0, **WITHDRAWAL),
        event("b", 2, **FEEDBACK), event("a", 1, **GRANT), event("a", 2, **FEEDBACK), event("a", 3),
        event("x", 0, company="beta", **FEEDBACK),
    ]) == [
        "counted", "over-bound", "counted", "counted",
        "no-consent", "counted", "no-consent", "counted",
        "counted",
    ]  # fmt: skip
    assert log.first.closed_companies == 1


def test_a_withdrawal_is_never_past_a_bound() -> None:
    log = Log(max_sources=1, max_intervals=1)
    assert log.take([
        event("a", 0), event("b", 0, **WITHDRAWAL), event("a", 5, **WITHDRAWAL), event("a", 1, **FEEDBACK),
    ]) == ["counted", "counted", "counted", "no-consent"]  # fmt: skip
    later = NOON + 1000
    granted = [event("a", 2, later, **GRANT), event("a", 3, later, **FEEDBACK)]
    assert log.take([*granted, event("a", 5, **WITHDRAWAL), event("a", 4, later, **FEEDBACK)]) == [
        "counted", "counted", "counted", "counted",
    ]  # fmt: skip


def test_a_day_has_so_many_new_companies() -> None:
    log = Log(max_new_companies=2)
    names = ["a", "b", "c", "a", "c"]
    late = [event("s", 9, NOON, company=name, time=instant(NOON + DAY_MS)) for name in names]
    assert log.take(late) == ["clock-ahead"] * 5  # what is refused for another reason is of a new company too
    assert [each.company for each in log.rejections] == ["a", "b", None, "a", None]
    assert [each.source is None for each in log.rejections] == [False, False, True, False, True]
    assert log.take(event("s", number, company=name) for number, name in enumerate(names)) == [
        "counted", "counted", "over-bound", "counted", "over-bound",
    ]  # fmt: skip
    entries = log.first._state.books._accounts
    assert set(entries) == {"", "a", "b"}
    tomorrow = NOON + DAY_MS
    assert log.take([event("s", 9, tomorrow, company="c"), event("s", 9, tomorrow, company="a")]) == ["counted"] * 2
    assert log.take([event("s", 10, tomorrow, company="d"), event("s", 1, tomorrow, company="e")]) == [
        "counted", "over-bound",
    ]  # fmt: skip


def test_a_withdrawal_of_an_unknown_company_closes_those_unknown_until_then() -> None:
    log = Log(max_new_companies=1)
    tomorrow = NOON + DAY_MS
    assert log.take([
        event("s", 0, company="a"), event("s", 0, company="b", **WITHDRAWAL), event("s", 1, company="a", **FEEDBACK),
        event("s", 1, tomorrow, company="b", **FEEDBACK), event("s", 2, tomorrow, company="b"),
    ]) == ["counted", "counted", "counted", "no-consent", "counted"]  # fmt: skip
    assert log.first.entry.unknown_withdrew == 1
    assert log.take([event("s", 2, tomorrow, company="a", **FEEDBACK)]) == ["counted"]


def test_a_company_and_day_has_so_many_active_users_and_counts_go_on() -> None:
    log = Log(max_users=2)
    people = [event("s", number, data={"user": f"u{number}"}) for number in range(4)]
    people += [event("s", 9, NOON + DAY_MS, data={"user": "u3"})]
    log.take(people)
    values = {name: each["value"] for name, each in log.expected().figures.items()}
    assert values["acme|dau|P1D|2026-11-01T00:00:00Z|"] == 2
    assert values["acme|dau|P1D|2026-11-02T00:00:00Z|"] == 1
    assert values["acme|users|P1M|2026-11-01T00:00:00Z|"] == 3
    assert values["acme|chats_created|P1M|2026-11-01T00:00:00Z|"] == 5
    assert log.second.bounds.drain()[Bound.USERS] == 2


def test_past_the_bound_of_series_everything_is_other_and_no_total_is_lost() -> None:
    log = Log(max_company_series=4)
    kinds = [event("s", number, type="folder.created", data={"kind": f"k{number}"}) for number in range(4)]
    log.take([*kinds, event("s", 4, type="folder.created", data={"kind": "k0"})])
    values = {name: each["value"] for name, each in log.expected().figures.items() if "folders" in name}
    assert values["acme|folders_created|P1M|2026-11-01T00:00:00Z|kind=k0"] == 2
    assert values["acme|folders_created|P1M|2026-11-01T00:00:00Z|kind=~other"] == 3
    assert sum(value for name, value in values.items() if "P1D" in name) == 5
    assert log.second.bounds.drain()[Bound.SERIES] > 0


def test_a_source_joins_all_its_distinct_figures_or_none() -> None:
    log = Log(max_company_series=8)
    app = {"type": "app.started", "data": {"application": "w", "version": "1", "environment": "e"}}
    log.take(event(f"s{number}", 0, **app) for number in range(4))
    values = {name: each["value"] for name, each in log.expected().figures.items() if "installations" in name}
    assert set(values.values()) == {2}


def test_series_have_room_again_when_their_windows_are_over() -> None:
    log = Log(max_company_series=3, lateness=2 * DAY_MS)
    folder = {"type": "folder.created"}
    log.take([event("s", 0, **folder, data={"kind": "a"}), event("s", 1, **folder, data={"kind": "b"})])
    later = NOON + 40 * DAY_MS
    log.take([event("s", 2, later), event("s", 3, later + HOUR_MS, **folder, data={"kind": "c"})])
    assert any(name.endswith("kind=c") for name in log.expected().figures)


@pytest.mark.parametrize("reason", [Reason.OVER_BOUND])
def test_what_is_past_a_bound_is_not_remembered(reason: Reason) -> None:
    log = Log(max_sources=1)
    assert log.take([event("a", 0), event("b", 0), event("b", 0)]) == ["counted", reason, reason]
