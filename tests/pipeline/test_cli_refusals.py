"""Every command refuses what cannot be done: in one line on stderr that says what to do, with exit code 2."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app, main
from pipeline.proof.explain.wanted import EXAMPLE

pytestmark = pytest.mark.usefixtures("no_settings")
CONTROL = {"FOOTFALL_CONTROL_KEY": "cd" * 32}
KEYS = CONTROL | {"FOOTFALL_PSEUDONYM_KEY": "ab" * 32}
NOWHERE = {"FOOTFALL_BROKERS": "127.0.0.1:1"}
"""Nobody listens there; asked before anything else was looked at, it would be the refusal."""
Refusal = Callable[..., str]


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Runs the program with these arguments and settings, and gives its one line."""

    def run(arguments: str, **settings: str) -> str:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["footfall", *arguments.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert ended.value.code == 2, told.err
        assert told.out == ""
        assert told.err.startswith("footfall: ")
        assert told.err.count("\n") == 1
        assert told.err.endswith("\n")
        return told.err

    return run


COMMANDS = [
    "audit", f"explain {EXAMPLE}", "oracle", "verify", "rejected", "watch", "replay --from 2026-11-01 --into x",
    "simulate", "simulate --publish", "topics apply", "topics diff", "topics show", "topics fold", "catalogue show",
    "worker anonymize", "worker aggregate", "up", "demo",
]  # fmt: skip
NEED_BROKERS = [each for each in COMMANDS if each not in {"simulate", "topics show", "catalogue show", "up", "demo"}]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_setting_stops_every_command(command: str, refusal: Refusal) -> None:
    line = refusal(command, **KEYS, **NOWHERE, FOOTFALL_PARTITIONS="eight")
    assert "bad setting FOOTFALL_PARTITIONS ('eight')" in line
    assert "ab" * 32 not in line


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_setting_stops_every_command_and_the_nearest_is_named(command: str, refusal: Refusal) -> None:
    line = refusal(command, FOOTFALL_PARTITONS="8")
    assert "FOOTFALL_PARTITONS" in line
    assert "did you mean FOOTFALL_PARTITIONS?" in line


@pytest.mark.parametrize("command", NEED_BROKERS)
def test_without_brokers_it_says_so(command: str, refusal: Refusal) -> None:
    settings = {} if command == "worker aggregate" else KEYS
    assert "FOOTFALL_BROKERS is not set" in refusal(command, **settings)


@pytest.mark.parametrize("command", ["oracle", "verify", f"explain {EXAMPLE}", "worker anonymize", "topics fold"])
def test_without_a_key_it_says_which(command: str, refusal: Refusal) -> None:
    line = refusal(command, **NOWHERE)
    assert "FOOTFALL_PSEUDONYM_KEY" in line or "FOOTFALL_CONTROL_KEY" in line
    assert "127.0.0.1" not in line


def test_a_worker_that_is_to_hold_no_key_of_persons_refuses_it(refusal: Refusal) -> None:
    line = refusal("worker aggregate", **KEYS, **NOWHERE)
    assert "FOOTFALL_PSEUDONYM_KEY" in line
    assert "ab" * 32 not in line


ARGUMENTS = [
    ("audit --from 2026-11", "--from '2026-11' is no hour"),
    ("audit --from 2026-11-01T10:15", "is no hour"),
    ("audit --to 1969-12-31T23", "--to '1969-12-31T23' is no hour"),
    ("audit --from 2026-11-02 --to 2026-11-01", "--from 2026-11-02 is not before --to 2026-11-01"),
    ("audit --from 2026-11-02 --to 2026-11-02", "give a period of one hour or more"),
    ("audit --to 2999-01-01", "--to 2999-01-01 has not passed yet"),
    ("audit --expect abc", "--expect is no head"),
    (f"audit --expect {'g' * 64}", "--expect is no head"),
    (f"audit --expect {'0' * 65}", "--expect is no head"),
    ("explain acme", "'acme' is no aggregate id"),
    ("explain acme|clicks|P1D|2026-11-01T00:00:00Z|", "its metric is none of"),
    ("explain acme|dau|P1W|2026-11-01T00:00:00Z|", "company|metric|window|start|dimensions"),
    ("explain acme|dau|PT1H|2026-11-01T00:00:00Z|", "dau has the windows P1D"),
    ("explain ac/me|dau|P1D|2026-11-01T00:00:00Z|", "its company is no company's name"),
    ("explain acme|dau|P1D|2026-11-01T10:00:00Z|", "no window P1D begins then"),
    ("explain acme|dau|P1D|2026-11-01T00:00:00Z|a=b", "dau has no dimensions"),
    ("explain acme|prompts|PT1H|2026-11-01T10:00:00Z|module=m2,assistant=a1", "dimensions assistant, module"),
    ("explain acme|prompts|PT1H|2026-11-01T10:00:00+00:00|assistant=a1,module=m2", "times are as in the example"),
    ("explain acme|user_messages|P1M|9999-12-01T00:00:00Z|", "no window P1M begins then"),
    ("oracle --from-file nowhere.ndjson", "nowhere.ndjson cannot be read"),
    ("oracle --from-file .", "cannot be read"),
    ("catalogue check nowhere.toml", "cannot be read"),
    ("catalogue diff nowhere.toml", "cannot be read"),
    ("watch --own", "no metric is declared beside the built-in ones"),
    ("replay --into x", "--from is missing"),
    ("replay --from 2026-11-01", "--into is missing"),
    ("replay --into x --promote --metric dau", "stand alone beside --into"),
    ("replay --into x --remove --source raw", "stand alone beside --into"),
    ("replay --into x --promote --to 2026-11-02", "stand alone beside --into"),
    ("replay --from 2026-11-01T00:30:00Z --into x", "must be a day or a whole hour in UTC"),
]


@pytest.mark.parametrize(("command", "words"), ARGUMENTS)
def test_a_bad_argument_is_refused_before_a_broker_is_asked(command: str, words: str, refusal: Refusal) -> None:
    line = refusal(command, **KEYS, **NOWHERE)
    assert words in line
    assert "reach" not in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1 of raw.ndjson is no raw record"),
        ('{"partition": 0, "offset": 0, "append_time": 1, "key": "secret"}\n[]', "line 2 of raw.ndjson"),
        ('{"partition": 0, "offset": 0, "append_time": 1}\n' * 2, "line 2 of raw.ndjson repeats an offset"),
    ],
)
def test_a_bad_file_of_records_is_refused_by_its_line(text: str, words: str, refusal: Refusal) -> None:
    Path("raw.ndjson").write_text(text)
    line = refusal("oracle --from-file raw.ndjson", **CONTROL)
    assert words in line
    assert "secret" not in line


def test_a_catalogue_with_mistakes_stops_whoever_counts_by_it(refusal: Refusal) -> None:
    Path("m.toml").write_text('[types."a.b"]\ntitle = 5\n')
    assert "the catalogue m.toml has mistakes" in refusal("catalogue diff m.toml")
    assert "m.toml" in refusal("simulate", FOOTFALL_CATALOGUE="m.toml")


SHARES = ("duplicates", "late", "malformed", "batches", "misplaced")
OUT_OF_RANGE = [
    ("simulate --events", "0", "-1", "x", "1.5"),
    ("simulate --companies", "0", "100001"),
    ("simulate --users", "2"),
    ("simulate --days", "0", "35"),
    ("simulate --end", "0", "949999999", "32500000001", "nan", "inf"),
    ("simulate --seed", "x", "1.5"),
    *((f"simulate --{share}", "-0.1", "1.1", "nan") for share in SHARES),
    ("simulate --rate", "0", "nan"),
    ("verify --wait", "-1", "nan", "soon"),
    ("replay --from 2026-11-01 --into x --wait", "-1", "x"),
    ("rejected --limit", "-1", "many"),
    ("rejected --reason", "", "Too-Late", "sunday"),
    ("watch --rows", "0", "x"),
    ("doctor --still", "0", "nan"),
    ("up --emit-interval", "0", "nan"),
    ("up --broker", "kafka"),
    ("demo --events", "999"),
    ("demo --companies", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "values"), [(given[0], given[1:]) for given in OUT_OF_RANGE])
def test_a_number_or_word_out_of_range_is_a_usage_error(option: str, values: tuple[str, ...]) -> None:
    for value in values:
        answer = CliRunner().invoke(app, [*option.split(), value])
        assert answer.exit_code == 2, value
        assert isinstance(answer.exception, SystemExit)
        assert option.rsplit(maxsplit=1)[-1] in answer.output


@pytest.mark.parametrize(
    "arguments",
    ["explain", "catalogue check", "worker", "topics", "", "bake", "topics bake", "audit now", "verify --now"],
)
def test_an_unknown_or_a_missing_word_is_a_usage_error(arguments: str) -> None:
    answer = CliRunner().invoke(app, arguments.split())
    assert answer.exit_code == 2
    assert "Usage: " in answer.output
