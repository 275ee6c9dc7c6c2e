"""A figure counted again, by clean and by raw, is the oracle's, event for event; and what was left out is named."""

import json
import random
from dataclasses import replace

import pytest

from pipeline.errors import StartupError
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.explain.explanation import Corrected, Explanation, Verdict
from pipeline.proof.explain.left_out import FromBooks, FromRaw, LeftOut, Source
from pipeline.proof.explain.making import FromClean, Making, Run, merged
from pipeline.proof.explain.wanted import EXAMPLE, parse_id
from pipeline.proof.oracle.control import Controls
from pipeline.proof.oracle.homes import home_of
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.reasons import Reason
from schemas.wire.clean import decode_chunk
from schemas.wire.corrections import decode_correction
from schemas.wire.ledger import decode_entry
from tests.control_kit import ORACLE_KEYS, TOPIC
from tests.control_kit import expected as expected_of
from tests.core import random_log
from tests.core.world import World
from tests.pipeline.audit_kit import TEN, correction, flat, honest
from tests.scenario_kit import PARTITIONS, Record, Scenario, event, figure, message, ms, record, tick
from tests.scenarios import SCENARIOS


class Told:
    """A log through the first fold and the oracle; explains any figure of it."""

    def __init__(self, stored: list[StoredRecord], deciding: Deciding, partitions: int, cut: int = 10**9) -> None:
        self.stored, self.deciding, self.partitions = stored, deciding, partitions
        self.expected = expected_of(stored, deciding, partitions)
        self.world = World(deciding, partitions, lambda left: min(left, cut))
        self.world.append(stored)
        for partition in range(partitions):
            self.world.anonymize(partition)

    def explain(self, identity: str, *, skip: int = 0, clean_time: int = 0, revision: int | None = None) -> Explanation:
        """From the chunks behind the first ``skip`` and from raw."""
        wanted = parse_id(identity, self.deciding.catalogue)
        told = self.expected.figures[identity]
        partition = home_of(wanted.company.encode(), self.partitions)
        through = (told["revision"] if revision is None else revision) // 2
        making, again = (Making(wanted, self.deciding, through) for _ in range(2))
        clean = FromClean(making)
        for value in self.world.clean[partition][skip:]:
            clean.add(clean_time, decode_chunk(value))
            clean.add(clean_time, decode_chunk(self.world.clean[partition][skip]))  # a repeat
        exact = FromRaw(again, self.deciding, self.partitions, {}, Controls(ORACLE_KEYS, TOPIC, partition))
        for each in self.stored:
            if each.partition == partition:
                exact.add(each)
        whole = clean.is_whole(self.deciding.clock_ahead)
        return Explanation(wanted, partition, told, making, clean, whole, exact.result())


def told(*records: Record, **more: int) -> Told:
    return Told(Scenario("", records).stored(), replace(Deciding(), **more), PARTITIONS)


@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.name) for each in SCENARIOS if not each.moved])
def test_every_figure_of_the_examples_is_counted_again(scenario: Scenario) -> None:
    log = Told(scenario.stored(), scenario.deciding, PARTITIONS, cut=3)
    for identity, expected in log.expected.figures.items():
        found = log.explain(identity)
        assert (found.making.value, found.left_out.value) == (expected["value"], expected["value"]), identity
        assert found.verdict is Verdict.EQUAL


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_random_logs_are_counted_again(seed: int) -> None:
    log = Told(random_log.random_log(seed), random_log.DECIDING, random_log.PARTITIONS, cut=17)
    choose, figures = random.Random(seed), sorted(log.expected.figures)
    chosen = choose.sample(figures, k=60) + [each for each in figures if "~other" in each]
    assert any("~other" in identity for identity in chosen)
    for identity in chosen:
        found = log.explain(identity)
        assert found.verdict is Verdict.EQUAL, identity
        assert found.left_out.value == log.expected.figures[identity]["value"]
        assert sum(run.events for run in found.making.runs) == found.making.events
        kind = found.wanted.metric.kind
        assert found.making.events >= found.making.value or kind in {Kind.SUM, Kind.GAUGE}


LATE = [
    record(message(1, "2026-11-01T10:00:00Z", user="u1")),
    record([message(2, "2026-11-01T10:00:01Z", user="u1"), message(3, "2026-11-01T10:00:02Z", user="u2")]),
    record(message(1, "2026-11-01T10:00:00Z", user="u1"), append="2026-11-01T10:00:03Z"),
    record(event(9, "chat.created", "2026-11-01T10:00:02Z"), append="2026-11-01T10:00:03Z"),
    record(event(9, "chat.created", "2026-11-01T10:00:02Z"), append="2026-11-01T10:00:03Z"),
    record(message(4, "2026-11-01T10:30:00Z", user="u3"), append="2026-11-01T10:00:04Z"),
    record(message(5, "2026-11-01T10:00:03Z", user="u1", role="assistant"), append="2026-11-01T10:00:05Z"),
    tick("2026-11-01T12:30:00Z"),
    record(message(6, "2026-11-01T10:00:05Z", user="u3"), append="2026-11-01T12:31:00Z"),
    record(message(7, "2026-11-01T10:00:05Z", user="u1"), append="2026-11-01T12:31:00Z"),
]
SENT = figure("user_messages", "PT1H", "2026-11-01T10:00:00Z")
DAU = figure("dau", "P1D", "2026-11-01")


def test_only_what_would_have_been_in_the_figure_is_left_out_of_it() -> None:
    found = told(*LATE).explain(SENT)
    assert (found.making.value, found.making.runs) == (5, [Run(0, 1, 3), Run(8, 9, 2)])
    assert found.left_out.by_reason == {Reason.DUPLICATE: 1, Reason.CLOCK_AHEAD: 1}
    found = told(*LATE).explain(figure("chats_created", "P1D", "2026-11-01"))
    assert (found.making.value, found.left_out.by_reason) == (1, {Reason.DUPLICATE: 1})
    assert not told(*LATE).explain(figure("chats_created", "P1M", "2026-11-01")).left_out.hours


def test_of_distinct_figures_events_and_members_are_counted() -> None:
    found = told(*LATE).explain(DAU)
    assert (found.counts, found.making.events, found.making.value) == ("users", 5, 3)
    assert found.left_out.by_reason == {Reason.DUPLICATE: 1, Reason.CLOCK_AHEAD: 1}
    started = {"application": "web", "version": "1", "environment": "prod"}
    apps = told(
        *(record(event(n, "app.started", "2026-11-01T10:00:00Z", source=f"s{n % 2}", **started)) for n in range(5))
    )
    found = apps.explain(figure("active_installations", "P1D", "2026-11-01"))
    assert (found.counts, found.making.events, found.making.value) == ("sources", 5, 2)


def test_what_the_sink_does_not_show_yet_is_pending() -> None:
    found = told(*LATE).explain(SENT, revision=2)
    assert (found.making.value, found.making.pending) == (3, 2)
    found = told(*LATE).explain(DAU, revision=2)
    assert (found.making.value, found.making.events, found.making.pending) == (2, 4, 1)


def test_clean_that_does_not_reach_back_says_so() -> None:
    log = Told(Scenario("", tuple(LATE)).stored(), Deciding(), PARTITIONS, cut=1)
    found = log.explain(SENT, skip=1, clean_time=TEN)
    assert (found.whole, found.verdict, found.making.value) == (False, Verdict.PARTLY, 4)
    early = log.explain(SENT, skip=1, clean_time=ms("2026-11-01T09:49:59Z"))
    assert (early.whole, early.verdict) == (True, Verdict.DIFFERENT)
    assert not log.explain(SENT, skip=1, clean_time=ms("2026-11-01T09:50:00Z")).whole


def test_a_gap_in_clean_and_a_figure_that_is_too_small_are_told() -> None:
    log = Told(Scenario("", tuple(LATE)).stored(), Deciding(), PARTITIONS, cut=1)
    partition = home_of(b"acme", PARTITIONS)
    del log.world.clean[partition][4]
    found = log.explain(SENT)
    assert (found.clean.lost, found.whole, found.verdict) == (1, False, Verdict.EQUAL)
    found.left_out.value = 7
    assert found.verdict is Verdict.DIFFERENT
    found.left_out.value, found.figure = None, {**found.figure, "value": 4}
    assert found.verdict is Verdict.DIFFERENT
    found.figure = {**found.figure, "value": 6}
    assert found.verdict is Verdict.PARTLY


def test_from_the_books_the_company_s_hours_are_added_up() -> None:
    rows = [decode_entry(value or b"") for _, value in [*flat(honest()), honest()[0][1]]]
    books = FromBooks("acme", 0, 15, "raw begins at offset 7")
    for entry in rows:
        books.add(entry)
    found = books.result()
    assert found == LeftOut(
        Source.LEDGER, {Reason.DUPLICATE: 1}, ("2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z"), "raw begins at offset 7"
    )
    books = FromBooks("globex", 20, 99, "")
    for entry in rows:
        books.add(entry)
    assert books.result().by_reason == {Reason.DUPLICATE: 1, Reason.TOO_LATE: 1}


def test_corrections_are_balanced_or_not() -> None:
    found = told(*LATE).explain(SENT)
    rows = [correction(SENT, 3, 4, 8), correction(SENT, 4, 5, 9)]
    found.corrections = [Corrected(TEN + DAY_MS, decode_correction(value or b"")) for _, value in rows]
    assert found.balanced
    assert found.as_json()["corrections"][0] == {
        "time": "2026-11-02T10:00:00.000Z",
        "old": 3,
        "new": 4,
        "difference": 1,
        "revision": 17,
        "cause": {"kind": "late", "partition": 0, "offset": 8},
        "late_seconds": -3600,
    }
    found.figure = {**found.figure, "value": 6, "revision": 19}
    assert not found.balanced
    found.figure = {**found.figure, "revision": 21}
    assert found.balanced
    found.corrections = found.corrections[:1] * 2
    assert not found.balanced


def test_nothing_of_a_person_or_a_source_is_told() -> None:
    secret = "canary-7f3a"
    log = told(*(record(message(n, "2026-11-01T10:00:00Z", user=f"{secret}{n}", source=secret)) for n in range(3)))
    for identity in log.expected.figures:
        assert secret not in json.dumps(log.explain(identity).as_json())


def test_runs_are_parted_where_gaps_are_widest() -> None:
    runs = [Run(0, 1, 2), Run(3, 3, 1), Run(10, 12, 5), Run(14, 15, 2), Run(99, 99, 1)]
    assert merged(runs, 9) == runs
    assert merged(runs, 3) == [Run(0, 3, 3), Run(10, 15, 7), Run(99, 99, 1)]
    assert merged(runs, 1) == [Run(0, 99, 11)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "company|metric|window|start|dimensions"),
        ("acme", "company|metric|window|start|dimensions"),
        ("acme|dau|P1D|2026-11-01T00:00:00Z", "company|metric|window|start|dimensions"),
        ("acme|dau|P1W|2026-11-01T00:00:00Z|", "company|metric|window|start|dimensions"),
        ("acme|dau|P1D|yesterday|", "company|metric|window|start|dimensions"),
        ("acme|dav|P1D|2026-11-01T00:00:00Z|", "its metric is none of users,"),
        ("acme|dau|P7D|2026-11-01T00:00:00Z|", "dau has the windows P1D"),
        ("ac me|dau|P1D|2026-11-01T00:00:00Z|", "its company"),
        ("acme|dau|P1D|2026-11-01T10:00:00Z|", "no window P1D begins then"),
        ("acme|users|P1M|2026-11-02T00:00:00Z|", "no window P1M begins then"),
        ("acme|dau|P1D|2026-11-01|", "as in the example"),
        ("acme|dau|P1D|2026-11-01T00:00:00Z|a=b", "dau has no dimensions"),
        ("acme|prompts|P1D|2026-11-01T00:00:00Z|assistant=a", "the dimensions assistant, module"),
        ("acme|prompts|P1D|2026-11-01T00:00:00Z|module=a,assistant=b", "the dimensions assistant, module"),
    ],
)
def test_what_is_no_id_is_refused_with_an_example(text: str, why: str) -> None:
    with pytest.raises(StartupError) as refused:
        parse_id(text, BUILT_IN)
    assert why in refused.value.do
    assert EXAMPLE in refused.value.do


def test_an_id_is_read() -> None:
    wanted = parse_id(figure("mau", "P30D", "2026-10-03"), BUILT_IN)
    assert (wanted.start, wanted.end) == (ms("2026-10-03T00:00:00Z"), ms("2026-11-02T00:00:00Z"))
    assert parse_id(EXAMPLE, BUILT_IN).values == ("a1", "m2")
    assert parse_id(EXAMPLE.replace("m2", "~other").replace("a1", "~other"), BUILT_IN).values == ("~other", "~other")
