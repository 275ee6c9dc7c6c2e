"""The catalogue of one's own, as the settings take it."""

from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.settings.catalogue import catalogue_of
from pipeline.settings.settings import load_settings
from schemas.catalogue.catalogue import BUILT_IN

METER = """
[types."file.uploaded"]
title = "A file was uploaded"
basis = "contract"
fields = { kind = "dim", bytes = "int" }
[metrics.bytes_uploaded]
title = "bytes uploaded"
kind = "sum"
type = "file.uploaded"
field = "bytes"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOOTFALL_CATALOGUE", str(tmp_path / "meters.toml"))
    catalogue_of.cache_clear()
    return tmp_path / "meters.toml"


def test_it_is_beside_the_built_in_one_and_part_of_the_digest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(METER)
    settings = load_settings()
    catalogue = settings.deciding().catalogue
    assert [*catalogue.types] == [*BUILT_IN.types, "file.uploaded"]
    assert [*catalogue.metrics] == [*BUILT_IN.metrics, "bytes_uploaded"]
    monkeypatch.delenv("FOOTFALL_CATALOGUE")
    without = load_settings()
    assert without.deciding().catalogue is BUILT_IN
    assert settings.digest() != without.digest()


def test_a_process_reads_it_once(path: Path) -> None:
    path.write_text(METER)
    settings = load_settings()
    path.write_text("")
    assert "file.uploaded" in settings.deciding().catalogue.types


@pytest.mark.parametrize(
    ("content", "what", "do"),
    [
        (None, "cannot be read", "mend that: No such file or directory"),
        (b"\xff", "is not UTF-8", "write it again as UTF-8"),
        (b"x" * 10_000_001, "is too large", "at most 10,000,000 bytes"),
        (b"[types.a]\ntitle = 1\n", "mistakes, the first in line 1", "footfall catalogue check tells all"),
        (b"=", "has a mistake in line 1: this is no TOML", "footfall catalogue check tells all"),
    ],
)
def test_one_that_cannot_be_taken_is_refused_in_a_line(path: Path, content: bytes | None, what: str, do: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartupError) as refused:
        load_settings()
    assert what in refused.value.what
    assert do in refused.value.do
    assert "\n" not in str(refused.value)
