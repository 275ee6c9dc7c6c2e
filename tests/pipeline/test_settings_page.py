"""The page of settings says each one's sentence, a default that can be pasted, and whether it decides figures."""

import re
from pathlib import Path

import pytest

from pipeline.documents.pages import settings_page
from pipeline.settings.security import SecuritySettings
from pipeline.settings.settings import DECIDING_SETTINGS, Settings, load_settings
from tests.pipeline.test_settings_env import other_than_default
from tests.pipeline.test_settings_security import GOOD

pytestmark = pytest.mark.usefixtures("no_settings")
KEYS = {"pseudonym_key": "ab" * 32, "control_key": "cd" * 32}


def shown() -> dict[str, tuple[str, str, str]]:
    """Setting to default, whether it decides, and sentence, as the page shows them."""
    rows = re.findall(r"^\| `FOOTFALL_(\w+)` \| (.*?) \| (yes|no) \| (.*) \|$", settings_page(), re.MULTILINE)
    return {name.lower(): (default, decides, sentence) for name, default, decides, sentence in rows}


def test_every_setting_is_on_the_page() -> None:
    assert [*shown()] == [*Settings.model_fields]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_sentence(name: str) -> None:
    assert re.fullmatch(r"(?!:)\S.{15,}\.", shown()[name][2])


def test_every_default_that_is_shown_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = {name for name, (default, _, _) in shown().items() if default == "not set"}
    assert unset == {name for name, field in Settings.model_fields.items() if field.default is None}
    before = load_settings()
    for name in shown().keys() - unset:
        pasted = re.fullmatch("`(.+)`", shown()[name][0])
        assert pasted is not None, name
        monkeypatch.setenv(f"FOOTFALL_{name.upper()}", pasted[1])
    after = load_settings()
    assert after.model_fields_set == shown().keys() - unset
    assert after.model_dump() == before.model_dump()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_what_decides_is_what_the_digest_holds(name: str, tmp_path: Path) -> None:
    given: dict[str, object] = {**KEYS}
    if name in SecuritySettings.model_fields:
        given |= next(each for each in reversed(GOOD) if name in each)
    else:
        given[name] = other_than_default(name)
    if name.startswith(("pseudonym_key", "control_key")) and name.endswith("_file"):
        (tmp_path / "key").write_text("ef" * 32)
        given[name] = str(tmp_path / "key")
        given.pop(name.removesuffix("_file"), None)
    elif name in KEYS or name == "control_key_previous":
        given[name] = "ef" * 32
    changed = load_settings(**given).digest() != load_settings(**KEYS).digest()
    assert changed == (name in DECIDING_SETTINGS) == (shown()[name][1] == "yes")
