"""Making the topics of the table, comparing them with it, and telling the raw log of another fold (design 1.1, 1.7)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from pipeline.broker.admin import admin
from pipeline.broker.begun import refused_partitions
from pipeline.errors import StartupError
from pipeline.kafka.clients import Admin
from pipeline.settings.settings import Settings
from schemas.topics import ENFORCED, TOPICS, TopicSpec, topic_config, topic_name

__all__ = [
    "Difference",
    "StandingTopic",
    "apply",
    "compared",
    "diff",
    "failed",
    "make_sink",
    "partition_counts",
    "partitions_of",
    "remove",
    "standing",
]

_EXISTS: Final = 36
_READY_SECONDS: Final = 15
_RETENTION: Final = "retention.ms"
_CONFIGS: Final = (*ENFORCED, _RETENTION, "min.insync.replicas")


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a topic on the broker is not what the table says."""

    topic: str
    setting: str
    expected: str
    found: str

    @property
    def missing(self) -> bool:
        """Whether the whole topic is missing."""
        return self.setting == "topic"

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, not {self.expected}"


@dataclass(frozen=True, slots=True)
class StandingTopic:
    """A topic as the broker has it; ``replication`` is that of its least replicated partition."""

    name: str
    partitions: int
    replication: int
    led: bool
    config: Mapping[str, str]


async def standing(settings: Settings) -> dict[str, StandingTopic]:
    """Short name to topic, for those of the table that the broker has; refuses where it cannot be asked."""
    brokers = settings.connection()
    try:
        async with admin(brokers) as client:
            return await _standing(client, settings.topic_prefix, with_config=True)
    except (KafkaError, TimeoutError) as error:
        raise failed("look at the topics", error) from None


async def partition_counts(settings: Settings) -> dict[str, int]:
    """How many partitions each topic of the table has that the broker has; raises KafkaError, or StartupError."""
    async with admin(settings.connection()) as client:
        there = await _standing(client, settings.topic_prefix, with_config=False)
        return {topic.name: topic.partitions for topic in there.values()}


async def _standing(client: Admin, prefix: str, *, with_config: bool) -> dict[str, StandingTopic]:
    names = _names(prefix)
    found = {name: partitions for name, partitions in (await _described(client)).items() if name in names}
    configs = await _configs(client, list(found)) if with_config and found else {}
    return {
        short: StandingTopic(
            name,
            len(found[name]),
            min((len(partition["replicas"]) for partition in found[name]), default=0),
            bool(found[name]) and all(partition["leader"] >= 0 for partition in found[name]),
            configs.get(name, {}),
        )
        for name, short in names.items()
        if name in found
    }


async def _configs(client: Admin, names: list[str]) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_CONFIGS)) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await client.describe_configs(wanted):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise StartupError(
                    f"the broker does not show the settings of {name}", message or f"it says error {code}"
                )
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


async def apply(settings: Settings) -> list[str]:
    """Make the topics that are missing, and wait until they can be written; returns their names in flow order.

    What stands is left as it is, whatever it is like, but for another number of partitions: to make others beside it is
    refused, since no number can be lowered again. Refuses what the broker refuses.
    """
    brokers = settings.connection()
    try:
        async with admin(brokers) as client:
            there = await _all_shown(client, settings)
            missing = {name: short for name, short in _names(settings.topic_prefix).items() if short not in there}
            counts = {topic.name: topic.partitions for topic in there.values()}
            if missing and (refusal := refused_partitions(counts, settings.partitions, None)) is not None:
                raise refusal
            made = await _create(client, settings, missing) if missing else []
            await _until_led(client, settings.topic_prefix)
            return made
    except (KafkaError, TimeoutError) as error:
        raise failed("make the topics", error) from None


def _names(prefix: str) -> dict[str, str]:
    """Short name of each topic of the table, by its name."""
    return {topic_name(prefix, short): short for short in TOPICS}


async def _all_shown(client: Admin, settings: Settings) -> dict[str, StandingTopic]:
    """What stands, once it is shown: a topic that was just made is known to the controller before it is to brokers."""
    there: dict[str, StandingTopic] = {}

    async def shown() -> bool:
        nonlocal there
        there = await _standing(client, settings.topic_prefix, with_config=False)
        new = _new({name: short for name, short in _names(settings.topic_prefix).items() if short not in there}, 1, 1)
        result = await client.create_topics(new, validate_only=True) if new else None
        return result is None or all(code != _EXISTS for _, code, _ in result.topic_errors)

    await _until(shown)
    return there


async def _create(client: Admin, settings: Settings, missing: Mapping[str, str]) -> list[str]:
    replication = settings.replication or await _default_replication(client)
    return await _create_like(client, missing, settings.partitions, replication)


def _new(names: Mapping[str, str], partitions: int, replication: int) -> list[NewTopic]:
    return [
        NewTopic(name, partitions, replication, topic_configs=topic_config(short, replication))
        for name, short in names.items()
    ]


async def _create_like(client: Admin, names: Mapping[str, str], partitions: int, replication: int) -> list[str]:
    """Make topics; ``names`` maps each to the short name of the topic of the table that it is like.

    Returns those that it made: what another has just made need not be shown yet.
    """
    answer = await client.create_topics(_new(names, partitions, replication))
    for name, code, message in answer.topic_errors:
        if code not in (0, _EXISTS):
            raise StartupError(f"the broker does not make {name}", message or f"it says error {code}")
    made = {name for name, code, _ in answer.topic_errors if not code}
    return [name for name in names if name in made]


async def _default_replication(client: Admin) -> int:
    """The broker's own default; it is asked for, since the request at hand has no word for it."""
    name = "default.replication.factor"
    node = (await client.describe_cluster())["brokers"][0]["node_id"]
    resource = ConfigResource(ConfigResourceType.BROKER, str(node), {name: None})
    (answer,) = await client.describe_configs([resource])
    for code, _, _, _, entries in answer.resources:
        if not code and entries:
            return int(entries[0][1])
    raise StartupError("the broker does not tell its default replication", "set FOOTFALL_REPLICATION")


async def partitions_of(settings: Settings, name: str) -> int:
    """How many partitions a topic outside the table has, 0 where there is none; refuses where that is not told."""
    try:
        async with admin(settings.connection()) as client:
            return len((await _described(client)).get(name, ()))
    except (KafkaError, TimeoutError) as error:
        raise failed("look at the topics", error) from None


async def make_sink(settings: Settings, name: str) -> None:
    """Make a topic like the sink, with as many replicas as that has, and wait until it can be written."""
    sink = (await standing(settings))["aggregates"]
    try:
        async with admin(settings.connection()) as client:
            await _create_like(client, {name: "aggregates"}, sink.partitions, sink.replication)

            async def led() -> bool:
                leaders = [partition["leader"] for partition in (await _described(client)).get(name, ())]
                return len(leaders) == sink.partitions and min(leaders) >= 0

            await _until(led)
    except (KafkaError, TimeoutError) as error:
        raise failed(f"make {name}", error) from None


async def remove(settings: Settings, name: str) -> None:
    """Delete a topic."""
    try:
        async with admin(settings.connection()) as client:
            answer = await client.delete_topics([name])
    except (KafkaError, TimeoutError) as error:
        raise failed(f"remove {name}", error) from None
    for result in answer.topic_error_codes:
        if result[1]:
            raise StartupError(f"the broker does not remove {name}", f"it says error {result[1]}")


async def _described(client: Admin) -> dict[str, list[dict[str, Any]]]:
    """Every topic with its partitions: naming one that is missing would make it where topics are made by themselves."""
    return {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}


async def _until_led(client: Admin, prefix: str) -> None:
    async def led() -> bool:
        there = await _standing(client, prefix, with_config=False)
        return len(there) == len(TOPICS) and all(topic.led for topic in there.values())

    await _until(led)


async def _until(ready: Callable[[], Awaitable[bool]]) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + _READY_SECONDS
    while loop.time() < until:
        if await ready():
            return
        await asyncio.sleep(0.1)
    raise StartupError("topics are missing or without a leader", "look at the state of the brokers, then try again")


async def diff(settings: Settings) -> list[Difference]:
    """How the topics on the broker differ from the table; empty where they do not.

    Compared are partitions, policy, timestamp type, compaction lag and ``max.message.bytes``; retention may be
    longer than the table's, not shorter.
    """
    return compared(settings, await standing(settings))


def compared(settings: Settings, there: Mapping[str, StandingTopic]) -> list[Difference]:
    """As :func:`diff`, of topics that were looked at before."""
    differences: list[Difference] = []
    for short, spec in TOPICS.items():
        topic = there.get(short)
        if topic is None:
            differences.append(Difference(topic_name(settings.topic_prefix, short), "topic", "present", "missing"))
        else:
            differences.extend(_compare(spec, topic, settings.partitions))
    return differences


def _compare(spec: TopicSpec, topic: StandingTopic, partitions: int) -> list[Difference]:
    differences: list[Difference] = []
    if topic.partitions != partitions:
        differences.append(Difference(topic.name, "partitions", str(partitions), str(topic.partitions)))
    for name in ENFORCED:
        found = topic.config.get(name, "unknown")
        if name in spec.config and found != spec.config[name]:
            differences.append(Difference(topic.name, name, spec.config[name], found))
    if _RETENTION in spec.config:
        least, kept = int(spec.config[_RETENTION]), int(topic.config.get(_RETENTION, "-1"))
        if kept >= 0 and (least < 0 or kept < least):
            wanted = "-1" if least < 0 else f"{least} or longer"
            differences.append(Difference(topic.name, _RETENTION, wanted, str(kept)))
    return differences


def failed(doing: str, error: Exception) -> StartupError:
    """The refusal for brokers that answered with an error."""
    return StartupError(f"cannot {doing} ({type(error).__name__})", "look at the state of the brokers, then try again")
