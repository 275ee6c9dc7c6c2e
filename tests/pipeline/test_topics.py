from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from typer.testing import CliRunner

from agents.core.accept.state import RawEntry
from agents.core.shared.control import InForce
from agents.core.shared.joins import seal
from pipeline.broker import topics
from pipeline.broker.admin import admin
from pipeline.broker.digests import Announced, announce
from pipeline.broker.topics import apply, diff, standing
from pipeline.cli import topics as topics_command
from pipeline.errors import StartupError
from pipeline.kafka.reader import read_topic
from pipeline.preflight import Keys, require_key
from pipeline.settings.settings import Settings, load_settings
from schemas.topics import TOPICS, topic_config, topic_name
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, encode_chunk
from schemas.wire.columns import column
from tests.control_kit import Headers, fold_text

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


async def test_apply_makes_what_is_missing_and_nothing_twice(settings: Settings) -> None:
    assert await apply(settings) == [topic_name(settings.topic_prefix, short) for short in TOPICS]
    assert await apply(settings) == []
    assert await diff(settings) == []
    there = await standing(settings)
    assert {(topic.partitions, topic.replication) for topic in there.values()} == {(2, 1)}


async def test_what_the_broker_refuses_is_refused(settings: Settings) -> None:
    with pytest.raises(StartupError, match="does not make"):
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
    async with admin(settings.brokers or "") as client:
        names = {short: topic_name(settings.topic_prefix, short) for short in TOPICS}
        await client.create_topics(
            [
                NewTopic(names["raw"], 2, 1, topic_configs=wrong),
                NewTopic(names["rejected"], 2, 1, topic_configs=longer),
                NewTopic(names["ledger"], 2, 1, topic_configs=forgetful),
                NewTopic(names["aggregates"], 2, 1, topic_configs=eager),
            ]
        )
    assert len(await apply(settings)) == len(TOPICS) - 4
    assert {(each.topic, each.setting) for each in await diff(settings)} == {
        (names["raw"], "cleanup.policy"),
        (names["raw"], "message.timestamp.type"),
        (names["raw"], "max.message.bytes"),
        (names["raw"], "retention.ms"),
        (names["ledger"], "retention.ms"),
        (names["aggregates"], "min.compaction.lag.ms"),
    }


async def put(settings: Settings, short: str, *rows: tuple[int, bytes | None, bytes | None, Headers]) -> None:
    """Append (partition, key, value, headers) to a topic, as whoever may write there could."""
    async with producing(settings.brokers or "") as producer:
        for partition, key, value, headers in rows:
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=list(headers))
            await (await producer.send_batch(batch, topic_name(settings.topic_prefix, short), partition=partition))


def keys_of(settings: Settings) -> Keys:
    keys = require_key("anonymize", settings)
    assert keys is not None
    return keys


def under(settings: Settings, partition: int, number: int = 0, last: int = 0) -> tuple[int, None, bytes, Headers]:
    """A chunk after which the digest of these settings is in force."""
    fields = (CLEAN_VERSION, 0, last, -1, -1, settings.digest(), number, [], [], [], [])
    return partition, None, encode_chunk(CleanChunk(*fields, *(column() for _ in range(7)))), ()


def entry(settings: Settings, fence: int, number: int = 0) -> bytes:
    in_force = InForce(number, 1, (settings.digest(),))
    return RawEntry(fence, partitions=settings.partitions, in_force=in_force).write()


async def announced(settings: Settings) -> list[int]:
    return (await announce(settings, keys_of(settings))).partitions


async def controls(settings: Settings) -> list[tuple[int, int, bytes]]:
    """Partition, offset and text of every control record."""
    stored = await read_topic(settings.brokers or "", topic_name(settings.topic_prefix, "raw"))
    return [
        (each.partition, each.offset, each.headers[0][1] or b"")
        for each in stored
        if each.headers and each.headers[0][0] == "footfall-fold"
    ]


@pytest.fixture
def old(settings: Settings) -> Settings:
    """A deployment of three partitions, whose topics are not made yet."""
    return settings.model_copy(
        update={"partitions": 3, "pseudonym_key": SecretStr("ab" * 32), "control_key": SecretStr("cd" * 32)}
    )


@pytest.fixture
def new(old: Settings) -> Settings:
    return old.model_copy(update={"max_series": 7})


async def test_nothing_is_made_beside_topics_that_have_another_number_of_partitions(settings: Settings) -> None:
    async with admin(settings.brokers or "") as client:
        await client.create_topics([NewTopic(topic_name(settings.topic_prefix, "raw"), 3, 1)])
    with pytest.raises(StartupError, match="set FOOTFALL_PARTITIONS=3"):
        await apply(settings)
    assert len(await standing(settings)) == 1
    assert len(await apply(settings.model_copy(update={"partitions": 3}))) == len(TOPICS) - 1


async def test_a_topic_that_is_made_and_not_shown_yet_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers learn of a topic behind the controller that made it."""
    described, seen = topics._described, []

    async def behind(client: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
        seen.append(await described(client))
        return {} if len(seen) == 1 else seen[-1]

    async with admin(settings.brokers or "") as client:
        await client.create_topics([NewTopic(topic_name(settings.topic_prefix, "raw"), 3, 1)])
    monkeypatch.setattr(topics, "_described", behind)
    with pytest.raises(StartupError, match="set FOOTFALL_PARTITIONS=3"):
        await apply(settings)
    assert len(await standing(settings)) == 1


async def test_where_nothing_is_in_force_nothing_is_appended(old: Settings) -> None:
    await apply(old)
    await put(old, "raw", (0, b"c", b"x", ()))
    assert await announce(old, keys_of(old)) == Announced(None, [])
    await put(old, "clean", under(old, 0))
    assert await announce(old, keys_of(old)) == Announced(old.digest(), [])
    assert await controls(old) == []


async def test_a_change_is_appended_once_to_each_partition_also_to_one_without_a_record(
    old: Settings, new: Settings
) -> None:
    await apply(old)
    raw = topic_name(old.topic_prefix, "raw")
    await put(old, "raw", (0, b"c", b"x", ()), (0, b"c", b"y", ()))
    await put(old, "clean", under(old, 0))  # partition 1 has an entry alone, nobody has folded partition 2
    await put(old, "anonymize-state", (1, b"e", entry(old, -1), ()))
    assert await announce(new, keys_of(new)) == Announced(old.digest(), [0, 1, 2])
    assert await announced(new) == []
    key, digest = b"\xcd" * 32, new.digest()
    assert await controls(old) == [
        (number, offset, fold_text(key, raw, number, digest, 1)) for number, offset in ((0, 2), (1, 0), (2, 0))
    ]
    await put(old, "raw", (0, b"c", b"z", ()))
    assert await announced(old) == [0, 1, 2]  # a way back, and forth again
    assert await announced(new) == [0, 1, 2]
    assert (await controls(old))[2][2] == fold_text(key, raw, 0, digest, 3)


async def test_what_was_cut_short_is_completed(old: Settings, new: Settings) -> None:
    await apply(old)
    raw, key = topic_name(old.topic_prefix, "raw"), b"\xcd" * 32
    await put(old, "clean", *(under(old, number) for number in range(3)))
    text = fold_text(key, raw, 1, new.digest(), 1)
    await put(old, "raw", *((number, b"c", b"x", ()) for number in range(3)))
    await put(old, "raw", (1, None, None, (("footfall-fold", text),)))
    assert await announced(new) == [0, 2]
    await put(old, "clean", under(new, 1, number=1, last=1))
    assert await announced(new) == []


async def test_what_only_resembles_a_control_record_is_none(old: Settings, new: Settings) -> None:
    await apply(old)
    raw, key = topic_name(old.topic_prefix, "raw"), b"\xcd" * 32
    await put(old, "clean", *(under(old, number, last=-1) for number in range(3)))
    genuine = ("footfall-fold", fold_text(key, raw, 0, new.digest(), 1))
    await put(
        old,
        "raw",
        (0, None, b"", (genuine,)),
        (0, b"c", None, (genuine,)),
        (0, None, None, (genuine, genuine)),
        (0, None, None, (("footfall-fold", b"\xff\xfe"),)),
        (0, None, None, (("footfall-fold", fold_text(key, raw, 0, new.digest(), 2)),)),
        (0, None, None, (("footfall-fold", fold_text(key, raw, 1, new.digest(), 1)),)),
        (0, None, None, (("footfall-fold", fold_text(b"\xce" * 32, raw, 0, new.digest(), 1)),)),
        (0, b"", None, (("footfall-tick", b"1"),)),
    )
    assert await announced(old) == []
    await put(old, "raw", (0, b"", None, (genuine,)))  # an empty key is none
    assert await announced(new) == [1, 2]


async def test_a_new_pseudonym_key_is_refused_and_a_new_control_key_without_the_one_before(old: Settings) -> None:
    await apply(old)
    await put(old, "clean", *(under(old, number, last=-1) for number in range(3)))
    person = old.model_copy(update={"pseudonym_key": SecretStr("ba" * 32)})
    with pytest.raises(StartupError, match="pseudonym key is not the one in force in partition 0, and a new one"):
        await announced(person)
    signer = old.model_copy(update={"control_key": SecretStr("dc" * 32)})
    with pytest.raises(StartupError, match="set FOOTFALL_CONTROL_KEY_PREVIOUS to that"):
        await announced(signer)
    assert await controls(old) == []
    signer = signer.model_copy(update={"control_key_previous": SecretStr("cd" * 32)})
    assert await announced(signer) == [0, 1, 2]
    assert await announced(signer) == []


async def test_topics_of_an_earlier_fold_version_and_foreign_chunks_are_refused(old: Settings, new: Settings) -> None:
    await apply(old)
    former = b"\xdc\x00\x11\x01" + b"\xc0" * 16
    for short, row, words in (
        ("clean", (0, None, b"{}", ()), "cannot be read .a record is no clean chunk.: use the release that wrote it"),
        ("clean", (0, None, former, ()), "begun by a release that this one does not go on from"),
        ("anonymize-state", (1, b"e", seal(3, (3, 4, 5, 6)), ()), "begun by a release"),
    ):
        await put(old, short, row)
        with pytest.raises(StartupError, match=words):
            await announced(new)


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
    keys = {"PSEUDONYM_KEY": ("ab" * 32, "needs the pseudonym key"), "CONTROL_KEY": ("cd" * 32, "has no control key")}
    for name, (key, words) in keys.items():
        keyless = runner.invoke(topics_command.app, ["fold"], env=env)
        assert words in str(keyless.exception)
        env[f"FOOTFALL_{name}"] = key
    folded = runner.invoke(topics_command.app, ["fold"], env=env)
    assert "nothing is in force yet, nothing appended" in folded.output
