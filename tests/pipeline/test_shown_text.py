"""What commands print of what lies in topics: every character that a terminal obeys is escaped, and none is markup."""

import json
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import audit, doctor, explain, figures, topics
from pipeline.cli.main import app
from pipeline.cli.show import console
from pipeline.doctor.findings import Finding, Verdict
from pipeline.errors import StartupError
from pipeline.printable import printable
from pipeline.proof.audit.findings import Finding as AuditFinding
from pipeline.proof.audit.findings import FindingKind
from pipeline.proof.audit.verdict import Audit, Unfinished
from pipeline.proof.explain.reading import UnknownFigureError
from pipeline.proof.explain.wanted import EXAMPLE
from pipeline.proof.judgement import Judgement
from pipeline.proof.oracle import OracleResult
from pipeline.proof.verify import Difference, DifferenceKind
from schemas.reasons import Reason
from schemas.wire.rejections import Rejection

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r\n\x00[bold red]x[/]"
OBEYED = {*"\x1b\x07\x9b\u202e\r\x00"}
TEXT = st.text(st.characters(codec=None) | st.sampled_from("\x1b\x07\x9b\u202e\r\n\x00\u2028\ud800"), max_size=30)


@given(TEXT)
def test_printable_text_is_visible_in_one_line_and_is_printed_alike_again(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown.encode().decode() == shown
    assert len(shown) >= len(text)
    visible = "".join(char for char in text if char.isprintable())
    if visible == text:
        assert shown == text
    left = iter(shown)
    assert all(char in left for char in visible)


@given(TEXT, TEXT)
def test_a_refusal_of_any_text_is_one_visible_line(what: str, do: str) -> None:
    refusal = StartupError(what, do)
    assert str(refusal).isprintable()
    assert str(refusal) == f"{refusal.what}: {refusal.do}"
    assert "  " not in refusal.what


def judgement() -> Judgement:
    found = Judgement(OracleResult(counted=4), raw_grown=3, rejections_missing=1)
    found.differences = [Difference(HOSTILE, DifferenceKind.WRONG, "value", HOSTILE, {"a": HOSTILE})]
    found.corrections_wrong = [Difference(HOSTILE, DifferenceKind.SURPLUS, HOSTILE, None, HOSTILE)]
    found.not_last = found.ledger_wrong = [HOSTILE]
    return found


def audited() -> Audit:
    found = Audit("footfall", 8, 0, 3_600_000, unfinished=[Unfinished(3, 0, HOSTILE)])
    found.findings = [AuditFinding(FindingKind.STRANGE, 1, 0, HOSTILE, HOSTILE)]
    return found


def rejection() -> tuple[Counter[Reason], deque[Rejection]]:
    one = Rejection("raw", 1, 2, Reason.BAD_TIME, "/time", HOSTILE, "0" * 16, "2026-11-01T10:00:00.000Z")
    return Counter({Reason.BAD_TIME: 3}), deque([one])


class Unlike:
    """A difference between topics as a broker may tell it."""

    def __str__(self) -> str:
        return f"raw: {HOSTILE}"


async def unknown_figure(*_: object) -> None:
    raise UnknownFigureError(f"the sink has no figure; the nearest one is '{HOSTILE}'")


def gives(found: object) -> Callable[..., Any]:
    async def stub(*_given: object, **_more: object) -> object:
        return found

    return stub


def doctored(_still: float) -> list[Finding]:
    return [Finding("brokers", Verdict.WRONG, HOSTILE, HOSTILE)]


# What is put in place of what asks a broker, the exit code, and how often the text is shown.
COMMANDS: dict[str, tuple[Any, str, Any, int, int]] = {
    "verify": (figures, "_verify", gives(judgement()), 1, 8),
    "rejected": (figures, "_rejected", gives(rejection()), 0, 1),
    "audit": (audit, "_audit", gives(audited()), 1, 3),
    f"explain {EXAMPLE}": (explain, "_explain", unknown_figure, 1, 1),
    "topics diff": (topics.topics, "diff", gives([Unlike()]), 1, 1),
    "doctor": (doctor, "_examined", doctored, 1, 2),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_that_lies_in_a_topic_commands_a_terminal(
    command: str, no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, stub, code, often = COMMANDS[command]
    monkeypatch.setattr(module, name, stub)
    monkeypatch.setattr(console, "width", 2000)
    monkeypatch.setenv("FOOTFALL_CONTROL_KEY", "cd" * 32)
    answer = CliRunner().invoke(app, command.split())
    assert answer.exit_code == code, answer.output
    assert not OBEYED & set(answer.output)
    assert answer.output.count("[bold red]x[/]") == often


@pytest.mark.parametrize("command", ["verify", "rejected", "audit"])
def test_json_holds_the_text_as_it_is_and_escapes_it_in_its_own_way(
    command: str, no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, stub, code, _ = COMMANDS[command]
    monkeypatch.setattr(module, name, stub)
    monkeypatch.setenv("FOOTFALL_CONTROL_KEY", "cd" * 32)
    answer = CliRunner().invoke(app, [command, "--json"])
    assert answer.exit_code == code
    (line,) = answer.stdout.splitlines()
    assert line.isprintable()
    assert HOSTILE in _texts(json.loads(line))


def _texts(told: object) -> list[str]:
    if isinstance(told, dict):
        return [text for each in told.values() for text in _texts(each)]
    if isinstance(told, list):
        return [text for each in told for text in _texts(each)]
    return [told] if isinstance(told, str) else []


def test_a_judgement_tells_each_thing_that_is_wrong_and_is_not_equal(capsys: pytest.CaptureFixture[str]) -> None:
    figures._show(judgement())
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "is not that of its highest revision",
        "rejected records: 1 missing, 0 surplus",
        "are missing or not what they should be",
        "corrections: 0 expected, 1 differences",
        "different: 1 differences in 0 expected figures",
        "raw has grown by 3 records",
    ):
        assert words in told
    figures._show(Judgement(OracleResult(counted=4)))
    told = " ".join(capsys.readouterr().out.split())
    assert told == "corrections: 0 expected, final plus corrections is current equal: 0 figures of 4 counted events"


@pytest.mark.parametrize(
    "wrong",
    [
        {"differences": [Difference("a", DifferenceKind.MISSING, "value", 1, None)]},
        {"not_last": ["a"]},
        {"rejections_missing": 1},
        {"rejections_surplus": 1},
        {"corrections_wrong": [Difference("a", DifferenceKind.MISSING, "value", 1, None)]},
        {"ledger_wrong": ["a"]},
    ],
)
def test_whatever_is_wrong_makes_a_judgement_unequal(wrong: dict[str, Any]) -> None:
    assert Judgement(OracleResult()).equal
    assert not Judgement(OracleResult(), **wrong).equal
    assert Judgement(OracleResult(), raw_grown=9).equal
