"""The real broker that the tests start: one for the session, a fresh topic prefix for each test."""

import secrets
from collections.abc import Iterator

import pytest

from pipeline.broker.embedded import EmbeddedBroker


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of an Apache Kafka of this session's own; tests that use it are marked ``broker``."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("kafka"))
    address = broker.start()
    try:
        yield address
    finally:
        broker.stop()


@pytest.fixture
def prefix() -> str:
    """A topic prefix that nothing else uses."""
    return f"t{secrets.token_hex(5)}"
