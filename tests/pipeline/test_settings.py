import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.shared.control import ControlKeys
from pipeline.errors import StartupError
from pipeline.settings.settings import Settings, load_settings
from schemas.deciding import Deciding, fold_digest

KEY, CONTROL, BEFORE = "ab" * 32, "cd" * 32, "ef" * 32
SECRET_WORD = "deadbeef-not-a-key"


pytestmark = pytest.mark.usefixtures("no_settings")


def refusal() -> str:
    with pytest.raises(StartupError) as caught:
        load_settings()
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_defaults_are_the_contracts() -> None:
    settings = load_settings()
    assert settings.brokers is None
    assert (settings.topic_prefix, settings.partitions, settings.replication) == ("footfall", 8, None)
    assert settings.emit_interval == dt.timedelta(seconds=10)
    assert settings.session_timeout == dt.timedelta(seconds=10)
    assert settings.metrics_host == "127.0.0.1"
    assert settings.deciding() == Deciding()
    assert settings.pseudonym_secret() is None


def test_environment_goes_before_the_file_and_overrides_before_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "footfall.toml").write_text('partitions = 2\nmax_series = 3\ngrace_hour = "PT2H"\nlateness = 86400\n')
    monkeypatch.setenv("FOOTFALL_MAX_SERIES", "4")
    monkeypatch.setenv("FOOTFALL_GRACE_DAY", "90000")
    settings = load_settings()
    assert (settings.partitions, settings.max_series) == (2, 4)
    assert settings.deciding() == Deciding(
        max_series=4, grace_hour=7_200_000, grace_day=90_000_000, lateness=86_400_000, partitions=2
    )
    assert load_settings(max_series=5).max_series == 5


def test_a_named_file_is_read_and_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("partitions = 3\n")
    monkeypatch.setenv("FOOTFALL_CONFIG", str(tmp_path / "other.toml"))
    assert load_settings().partitions == 3
    monkeypatch.setenv("FOOTFALL_CONFIG", str(tmp_path / "none.toml"))
    assert "none.toml" in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "0"),
        ("PARTITIONS", "many"),
        ("REPLICATION", "0"),
        ("EMIT_INTERVAL", "PT0.5S"),
        ("EMIT_INTERVAL", "soon"),
        ("GRACE_DAY", "-1"),
        ("GRACE_HOUR", "1e3"),
        ("IDLE_AFTER", "PT0.0001S"),
        ("CLOCK_AHEAD", "9" * 40),
        ("LATENESS", "P97D"),
        ("MAX_SERIES", "0"),
        ("RECORD_DUPLICATES", "perhaps"),
        ("TOPIC_PREFIX", "a b"),
        ("TOPIC_PREFIX", ""),
        ("METRICS_PORT", "65536"),
        ("BROKERS", "somewhere"),
        ("SESSION_TIMEOUT", "1"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"FOOTFALL_{name}", value)
    line = refusal()
    assert f"FOOTFALL_{name}" in line
    assert len(line) < 300


def test_an_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_TOPIC_PREFX", "x")
    line = refusal()
    assert "FOOTFALL_TOPIC_PREFX" in line
    assert "FOOTFALL_TOPIC_PREFIX" in line


def test_no_setting_kills_a_worker_and_none_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_FAILPOINT", "commit")
    assert refusal().startswith("unknown environment variable FOOTFALL_FAILPOINT: remove it")


def test_an_unknown_or_bad_key_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "footfall.toml"
    path.write_text("partition = 3\n")
    assert "partitions?" in refusal()
    path.write_text('partitions = "x"\n')
    assert "partitions in the settings file" in refusal()
    path.write_text(f'pseudonym_key = "{SECRET_WORD}\n')
    line = refusal()
    assert "footfall.toml" in line
    assert SECRET_WORD not in line


def test_the_key_is_read_from_either_place_but_not_from_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.upper() + "\n")
    monkeypatch.setenv("FOOTFALL_PSEUDONYM_KEY_FILE", str(tmp_path / "key"))
    assert load_settings().pseudonym_secret() == bytes.fromhex(KEY)
    monkeypatch.setenv("FOOTFALL_PSEUDONYM_KEY", KEY)
    with pytest.raises(StartupError, match="both"):
        load_settings().pseudonym_secret()
    monkeypatch.delenv("FOOTFALL_PSEUDONYM_KEY_FILE")
    assert load_settings().pseudonym_secret() == bytes.fromhex(KEY)


def test_nothing_shows_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_PSEUDONYM_KEY", SECRET_WORD)
    settings = load_settings()
    assert SECRET_WORD not in repr(settings)
    assert SECRET_WORD not in settings.model_dump_json()
    with pytest.raises(StartupError) as caught:
        settings.pseudonym_secret()
    assert SECRET_WORD not in str(caught.value)
    assert "FOOTFALL_PSEUDONYM_KEY " in str(caught.value)
    with pytest.raises(StartupError) as caught:
        load_settings(pseudonym_key=b"\xff" + SECRET_WORD.encode())
    assert SECRET_WORD not in str(caught.value)


def test_a_key_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_PSEUDONYM_KEY_FILE", "nowhere/key")
    with pytest.raises(StartupError, match="nowhere/key"):
        load_settings().pseudonym_secret()


def test_the_control_key_is_read_from_either_place_and_is_not_the_pseudonym_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(CONTROL.upper() + "\n")
    monkeypatch.setenv("FOOTFALL_CONTROL_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("FOOTFALL_CONTROL_KEY_PREVIOUS", BEFORE)
    settings = load_settings(pseudonym_key=KEY)
    assert settings.control_secrets() == (bytes.fromhex(CONTROL), bytes.fromhex(BEFORE))
    assert CONTROL not in repr(settings)
    assert BEFORE not in settings.model_dump_json()
    monkeypatch.setenv("FOOTFALL_CONTROL_KEY", CONTROL)
    with pytest.raises(StartupError, match="FOOTFALL_CONTROL_KEY and FOOTFALL_CONTROL_KEY_FILE are both set"):
        load_settings().control_keys()
    monkeypatch.delenv("FOOTFALL_CONTROL_KEY_FILE")
    assert load_settings(control_key_previous=CONTROL).control_secrets() == (bytes.fromhex(CONTROL), None)
    for same in (CONTROL, BEFORE):
        with pytest.raises(StartupError, match="the control key is the pseudonym key"):
            load_settings(pseudonym_key=same).digest()
    monkeypatch.delenv("FOOTFALL_CONTROL_KEY")
    with pytest.raises(StartupError, match="set FOOTFALL_CONTROL_KEY too"):
        load_settings().control_keys()
    with pytest.raises(StartupError, match="FOOTFALL_CONTROL_KEY holds no key: the control key must be 64") as caught:
        load_settings(control_key=SECRET_WORD).control_keys()
    assert SECRET_WORD not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings().partitions = 3  # type: ignore[misc]


def test_the_digest_holds_settings_and_keys() -> None:
    keys = {"pseudonym_key": KEY, "control_key": CONTROL}
    settings = load_settings(**keys)
    marks = Pseudonyms(bytes.fromhex(KEY)).fingerprint(), ControlKeys(bytes.fromhex(CONTROL)).mark
    assert settings.digest() == fold_digest(Deciding(), *marks)
    for other in ({"max_series": 5}, {"partitions": 9}, {"control_key": BEFORE}, {"pseudonym_key": BEFORE}):
        assert load_settings(**(keys | other)).digest() != settings.digest()
    assert load_settings(**keys, emit_interval=5, control_key_previous=BEFORE).digest() == settings.digest()


def test_a_copy_with_brokers_is_settings_still() -> None:
    assert isinstance(load_settings().model_copy(update={"brokers": "127.0.0.1:9092"}), Settings)


def test_a_refusal_is_one_line() -> None:
    assert str(StartupError("a\n b", "c\r\n\td")) == "a b: c d"
