"""``audit`` and ``explain`` before they reach a broker: hours, heads and ids; and how they show what they found."""

import json

import pytest
from typer.testing import CliRunner

from pipeline.cli import audit as cli
from pipeline.cli.main import app
from pipeline.errors import StartupError
from pipeline.proof.audit.findings import Finding, FindingKind
from pipeline.proof.audit.verdict import Audit, Unfinished
from tests.pipeline.audit_kit import TEN

RUN = CliRunner()


@pytest.mark.parametrize(
    "text",
    ["2026-11-01T10", "2026-11-01T10:00", "2026-11-01T10Z", "2026-11-01T10:00:00Z", "2026-11-01T10:00:00+00:00"],
)
def test_an_hour_is_read_in_every_usual_form(text: str) -> None:
    assert cli._hour("--from", text) == TEN
    assert cli._hour("--from", "2026-11-01") == TEN - 36_000_000


@pytest.mark.parametrize(
    "text", ["", "x", "2026-13-01", "2026-11-01T24", "2026-11-01T10:30", "2026-11-01T10:00:00+01:00", "1969-12-31", "1"]
)
def test_what_is_no_hour_is_refused(text: str) -> None:
    with pytest.raises(StartupError) as refused:
        cli._hour("--to", text)
    assert "--to" in refused.value.what
    assert "2026-11-01T10:00:00Z" in refused.value.do


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "--from", "2026-11-02", "--to", "2026-11-02"],
        ["audit", "--to", "2999-01-01"],
        ["audit", "--expect", "F" * 64],
        ["explain", "acme|dau"],
    ],
)
def test_bad_arguments_are_refused_before_a_broker_is_asked(arguments: list[str]) -> None:
    answer = RUN.invoke(app, arguments, env={"FOOTFALL_BROKERS": "127.0.0.1:1"})
    assert isinstance(answer.exception, StartupError)
    assert "reach" not in str(answer.exception)


def shown(audit: Audit, capsys: pytest.CaptureFixture[str]) -> str:
    cli._show(audit)
    return capsys.readouterr().out


def test_a_proven_period_is_one_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    found = Audit("footfall", 8, TEN, TEN + 3_600_000, head="0" * 64)
    assert shown(found, capsys) == found.line + "\n"


def test_findings_and_open_partitions_end_with_a_line_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    found = Audit("footfall", 8, TEN, TEN + 3_600_000)
    found.findings = [Finding(FindingKind.CHAIN, 3, TEN, "acme", f"what {number}") for number in range(60)]
    lines = shown(found, capsys).splitlines()
    assert lines[-1] == "not proven 2026-11-01T10:00:00Z/2026-11-01T11:00:00Z: 60 findings (chain)"
    assert any("10 more" in line for line in lines)
    found = Audit("footfall", 8, TEN, TEN + 3_600_000, unfinished=[Unfinished(3, TEN, "open since then")])
    assert shown(found, capsys).splitlines()[-1] == (
        "not finished 2026-11-01T10:00:00Z/2026-11-01T11:00:00Z: open in 1 of 8 partitions; "
        "all are closed up to 2026-11-01T10:00:00Z"
    )
    found = Audit("footfall", 8, unfinished=[Unfinished(3, TEN, "open since then")])
    assert shown(found, capsys).splitlines()[-1].startswith("not finished: no hour is closed in all partitions yet")


def test_the_json_of_an_audit_is_whole() -> None:
    found = Audit("footfall", 8, TEN, TEN + 3_600_000, last_hours={3: (TEN, "ab")}, head="cd")
    found.findings = [Finding(FindingKind.CHAIN, 3, TEN, None, "what")]
    told = json.loads(json.dumps(cli._as_json(found)))
    assert told["line"] is None
    assert told["last_hours"] == {"3": {"hour": "2026-11-01T10:00:00Z", "hash": "ab"}}
    assert told["findings"][0] == {
        "kind": "chain",
        "partition": 3,
        "hour": "2026-11-01T10:00:00Z",
        "company": None,
        "what": "what",
    }
