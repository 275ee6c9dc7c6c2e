"""What ``replay`` and ``explain`` say of what they found, in words and as JSON, and what they say to do next."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from agents.core.replay.refold import Period
from pipeline.cli import explain, replay
from pipeline.cli.show import console
from pipeline.proof.explain.explanation import Corrected
from pipeline.proof.explain.left_out import LeftOut as NotCounted
from pipeline.proof.explain.left_out import Source
from pipeline.proof.verify import DifferenceKind
from pipeline.replay.comparing import Compared
from pipeline.replay.folding import Written
from pipeline.replay.live import Standing, Verdict
from pipeline.replay.request import LeftOut, Request
from pipeline.replay.running import Promoted, Replayed
from schemas.catalogue.metrics import WindowSize
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.wire.corrections import decode_correction
from tests.pipeline.audit_kit import TEN, correction
from tests.pipeline.test_explain import DAU, LATE, SENT, told

REQUEST = Request(Period(TEN, None, ("dau",)), "clean", False, "a")
ONE, OTHER = Standing(3, 5, "final"), Standing(3, 6, "final")
NAME = "footfall.aggregates.v1.check"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", 300)


def compared(**verdicts: tuple[Standing | None, Standing | None]) -> Compared:
    """By a verdict's name what was replayed and what is live."""
    found = Compared()
    for name, (wanted, live) in verdicts.items():
        found.add(b"acme|dau", Verdict[name.partition("_of_")[0]], wanted, live)
    return found


EQUAL = compared(EQUAL=(ONE, ONE), MOVED_ON=(ONE, OTHER))
BEHIND = compared(EQUAL=(ONE, ONE), BEHIND=(ONE, None))
MISSING = compared(DIFFERENT=(ONE, None), DIFFERENT_of_another=(OTHER, None))
WRONG = compared(DIFFERENT=(ONE, None), DIFFERENT_of_another=(ONE, OTHER))
SURPLUS = compared(DIFFERENT=(None, ONE))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (EQUAL, "nothing is to be mended; footfall replay --into check --remove deletes the copy"),
        (BEHIND, "start worker aggregate, or wait for it"),
        (MISSING, "footfall replay --into check --promote copies what the live sink lacks"),
        (WRONG, "the live sink holds other values, and nothing is ever rewritten"),
        (SURPLUS, "the live sink holds other values"),
    ],
)
def test_what_to_do_next_follows_from_how_the_live_sink_stands(found: Compared, said: str) -> None:
    assert said in replay._next(Replayed(REQUEST, compared=found), "check")


def replayed(source: str = "clean") -> Replayed:
    found = Replayed(Request(REQUEST.period, source, False, "a"), [Written(3, 4), Written(0, 1_000)], WRONG)
    hours = {("acme", "dau"): {2, 3}, ("beta", "dau"): {3, 4}}
    found.refolds = {0: SimpleNamespace(incomplete=hours), 1: SimpleNamespace(incomplete={})}  # type: ignore[dict-item]
    return found


CUT = [LeftOut(WindowSize.DAY, ("dau",), TEN - TEN % (24 * HOUR_MS), TEN - TEN % (24 * HOUR_MS), None)]


def test_a_replay_tells_figures_differences_and_what_it_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    replay._print_replayed(replayed(), CUT, NAME, "check", as_json=False)
    text = " ".join(capsys.readouterr().out.split())
    assert "2 differences of the live sink: 1 missing, 1 wrong" in text
    assert "1,007, 1,004 of them written now" in text
    assert "dau P1D of 2026-11-01: reaches past --to" in text
    assert "dau: events before 1970-01-01T05:00:00Z do not hold its fields in clean; figures" in text
    assert "--source raw fills them while raw lasts" in text
    assert "moved on" not in text
    replay._print_replayed(replayed("raw"), [], NAME, "check", as_json=False)
    text = " ".join(capsys.readouterr().out.split())
    assert "in clean and raw; figures" in text
    assert "--source raw fills" not in text


def test_a_replay_tells_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    replay._print_replayed(replayed(), CUT, NAME, "check", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["into"], found["figures"], found["appended"]) == (False, NAME, 1007, 1004)
    assert found["live"] == {"equal": 0, "moved_on": 0, "behind": 0, "missing": 1, "surplus": 0, "wrong": 1}
    assert found["left_out"] == ["dau P1D of 2026-11-01: reaches past --to"]
    assert found["incomplete"] == {"dau": {"hours": 3, "complete_from": "1970-01-01T05:00:00Z"}}
    wrong = [(each["kind"], each["field"], each["expected"], each["found"]) for each in found["differences"]]
    assert wrong == [("missing", "value", 5, None), ("wrong", "value", 5, 6)]


@pytest.mark.parametrize(
    ("found", "promoted", "said"),
    [(WRONG, False, "not promoted, nothing was written"), (EQUAL, True, "copied 7 figures to the live sink")],
)
def test_a_promotion_says_whether_anything_was_written(
    found: Compared, promoted: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for as_json in (True, False):
        replay._print_promoted(Promoted(REQUEST, found, 7), NAME, as_json)
    document, _, text = capsys.readouterr().out.partition("\n")
    assert (json.loads(document)["promoted"], json.loads(document)["from"]) == (promoted, NAME)
    assert said in text


def test_of_partitions_put_together_every_verdict_counts() -> None:
    found = Compared()
    for each in (EQUAL, BEHIND, WRONG, SURPLUS):
        found.merge(each)
    assert [found.verdicts[verdict] for verdict in Verdict] == [2, 1, 1, 3]
    assert found.kinds == Counter({DifferenceKind.MISSING: 1, DifferenceKind.WRONG: 1, DifferenceKind.SURPLUS: 1})
    assert [each.kind.value for each in found.differences] == ["missing", "wrong", "surplus"]
    assert (found.equal, EQUAL.equal, BEHIND.equal, SURPLUS.equal) == (False, True, False, False)


@pytest.mark.parametrize(
    ("live", "field"),
    [
        (ONE._replace(value=9, status="corrected"), "value"),
        (ONE._replace(status="corrected", revision=9), "status"),
        (ONE._replace(revision=9, members=(1,)), "revision"),
        (ONE._replace(members=(1,), kind="gauge"), "members"),
        (ONE._replace(kind="gauge"), "kind"),
    ],
)
def test_a_difference_names_the_first_thing_that_differs(live: Standing, field: str) -> None:
    (found,) = compared(DIFFERENT=(ONE, live)).differences
    assert (found.field, found.expected, found.found) == (field, getattr(ONE, field), getattr(live, field))


# ---- explain


def shown(found: Any, capsys: pytest.CaptureFixture[str]) -> str:
    explain._show(found)
    return " ".join(capsys.readouterr().out.split())


def test_an_explanation_says_what_the_figure_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(*LATE).explain(SENT)
    text = shown(found, capsys)
    for words in ("5 corrected", "made of │ 5 events", "0 to 9, in 2 ranges", "from clean and from raw: equal"):
        assert words in text
    assert "exact, raw judged again" in text
    assert "corrections: none" in text
    assert explain.in_short(found) == (
        f"{SENT} = 5: 5 events, raw partition {found.partition} offsets 0 to 9, duplicates dropped 1, corrections 0;"
        " counted again from clean and from raw: equal"
    )
    assert "= 3: users of 5 events" in explain.in_short(told(*LATE).explain(DAU))
    pending = explain.in_short(told(*LATE).explain(SENT, revision=2))
    assert pending.endswith("is NOT the sink's 5")


def test_what_contradicts_the_sink_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(*LATE).explain(SENT)
    found.figure = {**found.figure, "value": 4}
    found.corrections = [Corrected(TEN, decode_correction(correction(SENT, 3, 4, 8)[1] or b""))] * 2
    text = shown(found, capsys)
    assert "5 from clean, from raw 5, which is NOT the sink's 4" in text
    assert "corrections, which do NOT come to the sink's value" in text
    assert not found.sound
    found.figure = {**found.figure, "value": 5}
    assert (found.verdict.value, found.balanced, found.sound) == ("equal", False, False)
    found.figure, found.corrections = {**found.figure, "value": 4}, []
    assert (found.verdict.value, found.balanced, found.sound) == ("different", True, False)


def test_without_raw_the_books_are_asked_or_it_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(*LATE).explain(SENT)
    found.left_out = NotCounted(Source.LEDGER, why="raw begins at offset 7")
    assert "not known, raw begins at offset 7 and the books have no closed hour of it" in shown(found, capsys)
    found.left_out.hours = ("2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z")
    text = shown(found, capsys)
    assert "all events of acme received in the hours 2026-11-01T10:00:00Z to 2026-11-01T11:00:00Z" in text
    assert "raw begins at offset 7): none" in text
    found.left_out.by_reason[Reason.TOO_LATE] = 1_234
    text = shown(found, capsys)
    assert ": none" not in text.replace("corrections: none", "")
    assert "too-late │ 1,234" in text
    assert "duplicates dropped" not in explain.in_short(found)
    found.whole, found.clean.lost = False, 3
    assert "3 raw offsets are in no chunk" in shown(found, capsys)
