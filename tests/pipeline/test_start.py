"""A start at which the brokers go away ends in one line, whenever that is."""

import gc
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaConnectionError

from pipeline.broker.embedded import free_ports
from pipeline.errors import StartupError
from pipeline.kafka.appender import Appender
from pipeline.kafka.reader import LogReader
from pipeline.settings.settings import Settings, load_settings
from pipeline.worker import run


@pytest.fixture
def settings() -> Settings:
    return load_settings(brokers="127.0.0.1:1", pseudonym_key="ab" * 32)


@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), TimeoutError(), OSError(24, "too many open files")])
def test_brokers_that_go_away_while_it_looks_around_are_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, error: Exception
) -> None:
    async def looks(_: object) -> int:
        raise error

    monkeypatch.setattr(run._Worker, "run", looks)
    with pytest.raises(StartupError, match="cannot reach the brokers"):
        run.run_worker("anonymize", settings)


@pytest.mark.parametrize(
    "opened", [LogReader, lambda brokers: Appender(brokers, lambda: True)], ids=["reader", "appender"]
)
async def test_what_was_opened_without_a_broker_is_closed(
    opened: Callable[[str], LogReader | Appender], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KafkaConnectionError):
        async with opened(f"127.0.0.1:{free_ports(1)[0]}"):
            pass
    gc.collect()
    assert "Unclosed" not in caplog.text
