from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner

from pipeline.broker.digests import append_bare, fold
from pipeline.broker.topics import apply, diff, standing
from pipeline.cli import topics as topics_command
from pipeline.errors import Refused
from pipeline.reading import read_topic
from pipeline.settings import Settings, load_settings
from schemas.clean import CleanChunk, encode_chunk
from schemas.columns import column
from schemas.topics import TOPICS, topic_config, topic_name

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(brokers: str, prefix: str) -> Settings:
    return load_settings(brokers=brokers, topic_prefix=prefix, partitions=2)


@asynccontextmanager
async def producing(brokers: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


def chunk(last: int, digest: str) -> bytes:
    return encode_chunk(CleanChunk(1, 0, last, -1, -1, digest, [], [], [], [], *(column() for _ in range(7))))


async def controls(settings: Settings) -> list[tuple[int, str]]:
    assert settings.brokers is not None
    stored = await read_topic(settings.brokers, topic_name(settings.topic_prefix, "raw"))
    return [
        (record.partition, record.headers[0][1].decode())
        for record in stored
        if record.headers and record.headers[0][1] is not None and (record.key, record.value) == (None, None)
    ]


async def test_apply_makes_what_is_missing_and_nothing_twice(settings: Settings) -> None:
    assert await apply(settings) == [topic_name(settings.topic_prefix, short) for short in TOPICS]
    assert await apply(settings) == []
    assert await diff(settings) == []
    there = await standing(settings)
    assert {(topic.partitions, topic.replication) for topic in there.values()} == {(2, 1)}


async def test_what_the_broker_refuses_is_refused(settings: Settings) -> None:
    with pytest.raises(Refused, match="does not make"):
        await apply(settings.model_copy(update={"replication": 3}))


async def test_every_difference_is_named(settings: Settings) -> None:
    assert len([each for each in await diff(settings) if each.missing]) == len(TOPICS)
    wrong = topic_config("raw", 1) | {
        "cleanup.policy": "compact,delete",
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": "1000",
        "retention.ms": "1000",
    }
    longer = topic_config("rejected", 1) | {"retention.ms": "-1"}
    forgetful = topic_config("ledger", 1) | {"retention.ms": "1000"}
    eager = topic_config("aggregates", 1) | {"min.compaction.lag.ms": "0"}
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    try:
        names = {short: topic_name(settings.topic_prefix, short) for short in TOPICS}
        await admin.create_topics(
            [
                NewTopic(names["raw"], 3, 1, topic_configs=wrong),
                NewTopic(names["rejected"], 2, 1, topic_configs=longer),
                NewTopic(names["ledger"], 2, 1, topic_configs=forgetful),
                NewTopic(names["aggregates"], 2, 1, topic_configs=eager),
            ]
        )
    finally:
        await admin.close()
    assert len(await apply(settings)) == len(TOPICS) - 4
    assert {(each.topic, each.setting) for each in await diff(settings)} == {
        (names["raw"], "partitions"),
        (names["raw"], "cleanup.policy"),
        (names["raw"], "message.timestamp.type"),
        (names["raw"], "max.message.bytes"),
        (names["raw"], "retention.ms"),
        (names["ledger"], "retention.ms"),
        (names["aggregates"], "min.compaction.lag.ms"),
    }


async def test_a_fold_that_nobody_changed_appends_nothing(settings: Settings) -> None:
    await apply(settings)
    assert settings.brokers is not None
    async with producing(settings.brokers) as producer:
        await producer.send_and_wait(topic_name(settings.topic_prefix, "raw"), b"x", key=b"c", partition=0)
        assert await fold(settings, "new-1") == 0  # nobody has folded it: the first worker's digest will hold
        await producer.send_and_wait(topic_name(settings.topic_prefix, "clean"), chunk(0, "new-1"), partition=0)
        assert await fold(settings, "new-1") == 0
    assert await controls(settings) == []


async def test_a_changed_fold_is_appended_once_to_each_partition_under_another(settings: Settings) -> None:
    await apply(settings)
    assert settings.brokers is not None
    raw, clean = (topic_name(settings.topic_prefix, short) for short in ("raw", "clean"))
    async with producing(settings.brokers) as producer:
        for number in (0, 1):
            await producer.send_and_wait(raw, b"x", key=b"c", partition=number)
        await producer.send_and_wait(clean, chunk(0, "old-1"), partition=0)
        await producer.send_and_wait(clean, chunk(0, "new-1"), partition=1)
        assert await fold(settings, "new-1") == 1
        assert await fold(settings, "new-1") == 0
        assert await controls(settings) == [(0, "new-1")]
        await producer.send_and_wait(raw, b"y", key=b"c", partition=0)
        assert await fold(settings, "new-2") == 2
        assert await fold(settings, "new-1") == 2
    assert await controls(settings) == [(0, "new-1"), (0, "new-2"), (0, "new-1"), (1, "new-2"), (1, "new-1")]


async def test_what_only_resembles_a_control_record_is_none(settings: Settings) -> None:
    await apply(settings)
    assert settings.brokers is not None
    raw, clean = (topic_name(settings.topic_prefix, short) for short in ("raw", "clean"))
    new = ("footfall-fold", b"new-1")
    async with producing(settings.brokers) as producer:
        await producer.send_and_wait(clean, chunk(-1, "old-1"), partition=0)
        await producer.send_and_wait(raw, b"", partition=0, headers=[new])
        await producer.send_and_wait(raw, key=b"c", partition=0, headers=[new])
        await append_bare(producer, raw, 0, "footfall-tick", b"1")
        await append_bare(producer, raw, 0, "footfall-fold", b"")
        assert await fold(settings, "old-1") == 0
        assert await fold(settings, "new-1") == 1


async def test_a_foreign_record_in_clean_is_refused(settings: Settings) -> None:
    await apply(settings)
    assert settings.brokers is not None
    async with producing(settings.brokers) as producer:
        await producer.send_and_wait(topic_name(settings.topic_prefix, "clean"), b"{}", partition=0)
    with pytest.raises(Refused, match="is no clean chunk"):
        await fold(settings, "new-1")


def test_the_commands_from_nothing_to_a_fold(brokers: str, prefix: str) -> None:
    runner = CliRunner()
    env = {"FOOTFALL_BROKERS": brokers, "FOOTFALL_TOPIC_PREFIX": prefix, "FOOTFALL_PARTITIONS": "1"}
    missing = runner.invoke(topics_command.app, ["diff"], env=env)
    assert missing.exit_code == 1
    assert f"{prefix}.raw.v1: topic is missing" in missing.output
    made = runner.invoke(topics_command.app, ["apply"], env=env)
    assert made.exit_code == 0
    assert made.output.count("made ") == len(TOPICS)
    assert "stands already" in runner.invoke(topics_command.app, ["apply"], env=env).output
    assert runner.invoke(topics_command.app, ["diff"], env=env).exit_code == 0
    assert runner.invoke(topics_command.app, ["show"], env=env).exit_code == 0
    keyless = runner.invoke(topics_command.app, ["fold"], env=env)
    assert isinstance(keyless.exception, Refused)
    folded = runner.invoke(topics_command.app, ["fold"], env=env | {"FOOTFALL_PSEUDONYM_KEY": "ab" * 32})
    assert "nothing appended" in folded.output
