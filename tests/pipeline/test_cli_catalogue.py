"""``footfall catalogue``: what it says, and its exit codes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.cli.show import console
from pipeline.errors import StartupError
from pipeline.settings.catalogue import catalogue_of
from schemas.examples import EXAMPLE_CATALOGUE

WRONG = """
[types."file.uploaded"]
title = "A file was uploaded"
basis = "contrakt"
fields = { kind = "dim", bytes = "int" }
[metrics.bytes_uploaded]
title = "bytes uploaded"
kind = "summ"
type = "file.uploaded"
field = "bytes"
dimensions = ["kid"]
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "width", 160)
    catalogue_of.cache_clear()


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["catalogue", *arguments])
    if isinstance(result.exception, StartupError):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_the_example_has_no_mistake() -> None:
    code, text = said("check", str(EXAMPLE_CATALOGUE))
    assert code == 0
    assert "no mistake: 2 event types and 5 metrics beside the built-in ones" in text
    assert "footfall topics fold" in text


def test_every_mistake_is_told_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(WRONG)
    code, text = said("check", "m.toml")
    assert code == 1
    for words in ("4 basis is not what it may be did you mean contract?", "8 kind is not", "did you mean sum?"):
        assert words in text
    assert "11 kid is no dim or choice of file.uploaded did you mean kind?" in text


def test_what_counts_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = said("show")
    assert code == 0
    assert "prompts count prompt.submitted assistant, module" in text
    monkeypatch.setenv("FOOTFALL_CATALOGUE", str(EXAMPLE_CATALOGUE))
    code, text = said("show", "--own")
    assert code == 0
    assert "bytes_uploaded sum file.uploaded bytes (By) kind" in text
    assert "prompt.submitted" not in text


def test_what_a_file_would_change_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("diff", str(EXAMPLE_CATALOGUE))[0] == 0
    monkeypatch.setenv("FOOTFALL_CATALOGUE", str(EXAMPLE_CATALOGUE))
    assert said("diff", str(EXAMPLE_CATALOGUE)) == (0, "it is the catalogue under these settings")
    other = EXAMPLE_CATALOGUE.read_text().replace('kind = "sum"', 'kind = "distribution"')
    (tmp_path / "other.toml").write_text(other)
    code, text = said("diff", "other.toml")
    assert code == 1
    assert "metric bytes_uploaded refused an entry in force never gets another meaning" in text
    (tmp_path / "wrong.toml").write_text(WRONG)
    with pytest.raises(StartupError, match="has mistakes"):
        said("diff", "wrong.toml")


def test_a_file_that_is_not_there_is_refused_in_a_line() -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        said("check", "nowhere.toml")
