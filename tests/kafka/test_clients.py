"""Clients are made in one place, by client libraries of the versions that are patched there."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.kafka import clients, patches
from pipeline.kafka.patches import WRITTEN_FOR, ClientVersionError, require_versions

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "pipeline" / "kafka"
CLIENT_MODULES = ("aiokafka.client", "aiokafka.conn", "aiokafka.consumer", "aiokafka.producer", "faust.transport")
CLIENTS = {"AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaConnection"}


def imports_of_clients(source: str) -> Iterator[str]:
    """What a module takes of the client libraries that only the room may take."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module.startswith(CLIENT_MODULES):
                yield node.module
            if node.module.startswith("aiokafka"):
                yield from CLIENTS.intersection(name.name for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith(("aiokafka", *CLIENT_MODULES)))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from aiokafka import AIOKafkaProducer, TopicPartition", ["AIOKafkaProducer"]),
        ("from aiokafka.consumer.fetcher import Fetcher", ["aiokafka.consumer.fetcher"]),
        ("import aiokafka", ["aiokafka"]),
        ("from aiokafka.errors import KafkaError\nfrom aiokafka import TopicPartition", []),
    ],
)
def test_an_import_of_a_client_is_seen(source: str, found: list[str]) -> None:
    assert list(imports_of_clients(source)) == found


def test_no_module_outside_the_room_makes_a_client() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for package in ("schemas", "agents", "pipeline")
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(ROOM) and (names := list(imports_of_clients(path.read_text("utf-8"))))
    }
    assert not found


def test_the_versions_are_those_that_are_pinned_and_installed() -> None:
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    exact = {line.partition("==")[0].partition("[")[0]: line.partition("==")[2] for line in pinned if "==" in line}
    assert exact == WRITTEN_FOR
    require_versions.cache_clear()
    require_versions()


@pytest.mark.parametrize("make", [clients.batch_consumer, clients.end_consumer, clients.producer])
def test_another_version_is_refused_by_name_before_a_client_is_made(
    monkeypatch: pytest.MonkeyPatch, make: object
) -> None:
    require_versions.cache_clear()
    monkeypatch.setattr(patches, "version", lambda package: "0.99.1" if package == "aiokafka" else WRITTEN_FOR[package])
    with pytest.raises(ClientVersionError, match=r"aiokafka 0\.14\.0 is needed, but 0\.99\.1 is installed: install"):
        make("127.0.0.1:1")  # type: ignore[operator]
    assert issubclass(ClientVersionError, StartupError)
