"""The environment of a pod holds its Services' addresses too; they are told apart from settings and from mistakes."""

import os

import pytest

from pipeline.errors import Refused
from pipeline.settings import load_settings
from pipeline.settings_env import added_by_kubernetes

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
    with pytest.raises(Refused, match=r"unknown environment variable FOOTFALL_|bad setting FOOTFALL_METRICS_PORT"):
        load_settings()


def test_other_programs_variables_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    set_all(monkeypatch, links("FOOTFALL2") | links("OTHER"))
    load_settings()
    assert before.keys() < os.environ.keys()
