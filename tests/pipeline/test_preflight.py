import asyncio
import socket
import time

import pytest

from agents.core.shared.control import ControlKeys
from pipeline.broker.topics import Difference, apply
from pipeline.errors import StartupError
from pipeline.preflight import refuse_differences, replication_warning, require_broker, require_key, require_topics
from pipeline.settings.settings import load_settings

KEY, CONTROL = "cd" * 32, "ef" * 32


async def test_no_brokers_set_is_refused() -> None:
    with pytest.raises(StartupError, match="FOOTFALL_BROKERS"):
        await require_broker(load_settings())


async def test_brokers_that_nobody_answers_at_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:  # bound, not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartupError, match=f"cannot reach a broker at {address}"):
            await require_broker(load_settings(brokers=address))


async def test_a_broker_that_accepts_and_says_nothing_is_refused_in_time() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(StartupError, match="no answer within"):
            await require_broker(load_settings(brokers=address))
        assert time.monotonic() - begun < 20


def test_anonymize_needs_the_key_and_aggregate_must_not_have_it() -> None:
    with_keys, without = load_settings(pseudonym_key=KEY, control_key=CONTROL), load_settings()
    keys = require_key("anonymize", with_keys)
    assert keys is not None
    assert (keys.pseudonym, keys.control.mark) == (bytes.fromhex(KEY), ControlKeys(bytes.fromhex(CONTROL)).mark)
    assert require_key("aggregate", without) is None
    with pytest.raises(StartupError, match="no pseudonym key"):
        require_key("anonymize", without)
    with pytest.raises(StartupError, match="worker anonymize has no control key"):
        require_key("anonymize", load_settings(pseudonym_key=KEY))


@pytest.mark.parametrize("name", ["pseudonym_key", "control_key", "control_key_previous"])
@pytest.mark.parametrize("suffix", ["", "_file"])
def test_aggregate_must_not_have_any_key(name: str, suffix: str) -> None:
    with pytest.raises(StartupError, match=f"FOOTFALL_{name}{suffix} is set".upper().replace("IS SET", "is set")):
        require_key("aggregate", load_settings(**{f"{name}{suffix}": KEY}))


def test_a_missing_topic_is_named_before_a_different_one() -> None:
    different = Difference("p.raw.v1", "cleanup.policy", "delete", "compact")
    missing = Difference("p.clean.v1", "topic", "present", "missing")
    with pytest.raises(StartupError, match=r"p\.clean\.v1 is missing: run footfall topics apply"):
        refuse_differences([different, missing])
    with pytest.raises(StartupError, match=r"p\.raw\.v1 .* cleanup\.policy is compact, not delete"):
        refuse_differences([different])
    refuse_differences([])


@pytest.mark.broker
async def test_topics_are_required_as_the_table_says(brokers: str, prefix: str) -> None:
    settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=2)
    assert str(await require_broker(settings)) == brokers
    with pytest.raises(StartupError, match="is missing: run footfall topics apply"):
        await require_topics(settings)
    await apply(settings)
    await require_topics(settings)
    with pytest.raises(StartupError, match="set FOOTFALL_PARTITIONS=2"):
        await require_topics(settings.model_copy(update={"partitions": 3}))


@pytest.mark.broker
async def test_few_replicas_are_a_warning(brokers: str, prefix: str) -> None:
    settings = load_settings(brokers=brokers, topic_prefix=prefix, partitions=1)
    assert await replication_warning(settings) is None
    await apply(settings)
    warning = await replication_warning(settings)
    assert warning is not None
    assert "8 of 8 topics" in warning
