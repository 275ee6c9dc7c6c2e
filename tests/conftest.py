"""The real broker that the tests use: one for the session, a fresh topic prefix for each test; what takes long.

``TEST_BROKER`` says which: ``auto`` (a container where Docker answers, else the embedded one; also where it is not
set), ``container``, ``embedded``, or ``host:port`` of a broker that runs. Tests that stop brokers, or take several
nodes or further listeners, start embedded ones of their own whatever it says.
"""

import asyncio
import gc
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from pipeline.broker.resolving import BrokerChoice, resolve
from tests.long import mark_long


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before tests are chosen by their marks."""
    mark_long(items)


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A worker started in this process sets up logging, hooks and the collector for good: put back behind each test."""
    logged, hooks, thresholds = structlog.get_config(), (threading.excepthook, sys.unraisablehook), gc.get_threshold()
    yield
    structlog.configure(**logged)
    logging.captureWarnings(False)
    threading.excepthook, sys.unraisablehook = hooks
    gc.set_threshold(*thresholds)


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of an Apache Kafka for this session; tests that use it are marked ``broker``."""
    wanted = os.environ.get("TEST_BROKER", BrokerChoice.AUTO)
    given = wanted if ":" in wanted else None
    choice = BrokerChoice.AUTO if given else BrokerChoice(wanted)
    with asyncio.Runner() as runner:
        broker = resolve(tmp_path_factory.mktemp("kafka"), choice, given)
        chosen = runner.run(broker.__aenter__())
        print(f"broker {chosen.address}: {chosen.line}")  # shown with a test that fails
        try:
            yield chosen.address
        finally:
            runner.run(broker.__aexit__(None, None, None))


@pytest.fixture
def prefix() -> str:
    """A topic prefix that nothing else uses."""
    return f"t{secrets.token_hex(5)}"
