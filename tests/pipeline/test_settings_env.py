"""The environment: settings, what Kubernetes adds, mistakes; and what of it a child is given."""

import datetime as dt
import os
import shlex
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from pipeline.cli.up import exported
from pipeline.errors import StartupError
from pipeline.settings.env import added_by_kubernetes
from pipeline.settings.security import SecuritySettings
from pipeline.settings.settings import KEY_FIELDS, Settings, load_settings
from pipeline.stack import _environments

pytestmark = pytest.mark.usefixtures("no_settings")


def links(service: str, address: str = "10.0.0.1", port: int = 9464, protocol: str = "tcp") -> dict[str, str]:
    """What Kubernetes sets for a Service with one named port."""
    shown = f"[{address}]" if ":" in address else address
    link, name = f"{protocol}://{shown}:{port}", f"{service}_PORT_{port}_{protocol.upper()}"
    return {
        f"{service}_SERVICE_HOST": address,
        f"{service}_SERVICE_PORT": str(port),
        f"{service}_SERVICE_PORT_METRICS": str(port),
        f"{service}_PORT": link,
        name: link,
        f"{name}_PROTO": protocol,
        f"{name}_PORT": str(port),
        f"{name}_ADDR": address,
    }


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("service", ["FOOTFALL", "FOOTFALL_METRICS", "FOOTFALL_BROKERS", "FOOTFALL_PARTITIONS_2"])
@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::17"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_a_services_variables_are_no_settings(
    monkeypatch: pytest.MonkeyPatch, service: str, address: str, protocol: str
) -> None:
    variables = links(service, address, protocol=protocol)
    assert added_by_kubernetes(variables) == variables.keys()
    set_all(monkeypatch, variables)
    assert load_settings().metrics_port == 9464


def test_a_second_port_of_a_service_is_its_own_too(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = links("FOOTFALL_METRICS") | links("FOOTFALL_METRICS", port=9465) | links("FOOTFALL_METRICS")
    variables["FOOTFALL_METRICS_SERVICE_PORT_HTTP_ADMIN"] = "9465"
    assert added_by_kubernetes(variables) == variables.keys()
    set_all(monkeypatch, variables)
    load_settings()


def test_a_setting_beside_a_service_of_the_same_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, links("FOOTFALL_METRICS") | {"FOOTFALL_METRICS_PORT": "9100"})
    assert load_settings().metrics_port == 9100


@pytest.mark.parametrize(
    "mistakes",
    [
        {"FOOTFALL_PORT": "9464"},
        {"FOOTFALL_PORT": "tcp://localhost:9464"},
        {"FOOTFALL_PORT": "http://10.0.0.1:9464"},
        {"FOOTFALL_PORT": "tcp://10.0.0.1"},
        {"FOOTFALL_PORT_9465_TCP": "tcp://10.0.0.1:9464"},
        {"FOOTFALL_PORT_9464_UDP": "tcp://10.0.0.1:9464"},
        {"FOOTFALL_SERVICE_HOST": "kafka"},
        {"FOOTFALL_SERVICE_PORT": "9464"},
        {"FOOTFALL_METRICS_SERVICE_PORT": "9464"},
        {"FOOTFALL_PORT_9464_TCP_PORT": "9464"},
        {"FOOTFALL_METRICS_PORT": "tcp://10.0.0.1:99999"},
        links("FOOTFALL_METRICS") | {"FOOTFALL_METRICS_SERVICE_PORT": "many"},
        links("FOOTFALL_METRICS") | {"FOOTFALL_METRICS_PORT_9464_TCP_PROTO": "udp"},
        links("FOOTFALL_METRICS") | {"FOOTFALL_METRIC_PORT": "9100"},
        links("FOOTFALL") | {"FOOTFALL_TOPIC_PREFX": "x"},
    ],
    ids=str,
)
def test_a_mistake_is_refused_also_beside_a_service(monkeypatch: pytest.MonkeyPatch, mistakes: dict[str, str]) -> None:
    set_all(monkeypatch, mistakes)
    with pytest.raises(StartupError, match=r"unknown environment variable FOOTFALL_|bad setting FOOTFALL_METRICS_PORT"):
        load_settings()


def test_other_programs_variables_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    set_all(monkeypatch, links("FOOTFALL2") | links("OTHER"))
    load_settings()
    assert before.keys() < os.environ.keys()


def other_than_default(name: str) -> object:
    """A value of a setting that is not its default, by its type; a catalogue is made in the working folder."""
    field = Settings.model_fields[name]
    given = {
        "brokers": "a:1,[::1]:2",
        "workers": "b:1",
        "metrics_host": "::",
        "topic_prefix": "other",
    }
    if name in given:
        return given[name]
    if name == "catalogue":
        Path("own, ü.toml").write_text('[types."file.made"]\ntitle = "A file was made"\nbasis = "contract"\n')
        return "own, ü.toml"
    kinds = {field.annotation, *get_args(field.annotation)}
    if "rocksdb" in kinds:
        return "rocksdb"
    if bool in kinds:
        return not field.default
    if int in kinds:
        return (field.default or 1) + 1
    if dt.timedelta in kinds:
        return field.default + dt.timedelta(seconds=1, milliseconds=1)
    if SecretStr in kinds:
        return "ab" * 32
    if any("Path" in str(kind) for kind in kinds):
        return "a folder, ü"
    raise AssertionError(f"say here what {name} may be")


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - SecuritySettings.model_fields.keys()))
def test_every_setting_is_handed_on_to_both_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    given = load_settings(**{name: other_than_default(name)})
    assert getattr(given, name) != Settings.model_fields[name].default
    environments = _environments(given)
    monkeypatch.chdir("/")  # a worker's own folder is another one
    for kind, environment in environments:
        with monkeypatch.context() as inside:
            set_all(inside, {f"FOOTFALL_{key}": text for key, text in environment.items()})
            taken = load_settings()
        wanted = given if kind == "anonymize" else given.without_keys()
        second = kind == "aggregate" and name == "metrics_port"
        for field in Settings.model_fields:
            value, expected = getattr(taken, field), getattr(wanted, field)
            if field == "metrics_port":
                expected = expected + second if name == field else 0
            assert value == (tmp_path / expected if isinstance(expected, Path) else expected), field


def test_no_key_is_handed_on_to_a_worker_that_must_hold_none() -> None:
    keys = {name: other_than_default(name) for name in KEY_FIELDS}
    assert "pseudonym_key_file" in keys
    (_, first), (_, second) = _environments(load_settings(**keys))
    assert {name.upper() for name in keys} <= first.keys()
    assert not [name for name in second if "KEY" in name]


def test_what_another_terminal_is_told_can_be_pasted_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given = load_settings(pseudonym_key="ab" * 32, data_dir="it's a, folder", max_series=3)
    line = exported(given, given.model_copy(update={"brokers": "127.0.0.1:1"}))
    assert "abab" not in line
    told = dict(each.split("=", 1) for each in shlex.split(line))
    assert told.keys() == {"FOOTFALL_BROKERS", "FOOTFALL_DATA_DIR", "FOOTFALL_MAX_SERIES"}
    set_all(monkeypatch, told)
    again = load_settings()
    assert (again.max_series, again.data_dir) == (3, Path("it's a, folder").absolute())


def test_another_terminal_is_told_how_brokers_are_reached_that_are_set_and_nothing_of_others() -> None:
    login = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "sasl_token_command": "echo s3cr3t"}
    given = load_settings(brokers="kafka:9093", **login)
    told = shlex.split(exported(given, given))
    assert {"FOOTFALL_SECURITY_PROTOCOL=SASL_SSL", "FOOTFALL_SASL_MECHANISM=OAUTHBEARER"} <= {*told}
    assert "s3cr3t" not in " ".join(told)
    embedded = given.model_copy(update=given.no_security() | {"brokers": "127.0.0.1:1"})
    assert not [each for each in shlex.split(exported(given, embedded)) if "SASL" in each or "SECURITY" in each]
