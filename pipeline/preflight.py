"""What is looked at before anything starts; whatever is wrong is refused in one line."""

from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from agents.core.shared.control import ControlKeys
from pipeline.broker.admin import admin
from pipeline.broker.begun import pinned_partitions, refused_partitions
from pipeline.broker.topics import Difference, compared, failed, standing
from pipeline.errors import StartupError
from pipeline.kafka.connection import Connection
from pipeline.settings.settings import KEY_FIELDS, Settings
from schemas.flow import STAGES, Kind

__all__ = [
    "Keys",
    "Kind",
    "refuse_differences",
    "replication_warning",
    "require_broker",
    "require_control",
    "require_key",
    "require_topics",
]

_SAFE_REPLICATION: Final = 3


async def require_broker(settings: Settings) -> Connection:
    """The connection to brokers that answer; refuses where none is set or none answers within 8 s."""
    if settings.brokers is None:
        raise StartupError("FOOTFALL_BROKERS is not set", "set it to host:port of a broker, or try footfall demo")
    connection = settings.connection()
    async with admin(connection):
        return connection


async def require_topics(settings: Settings) -> None:
    """Refuses where a topic of the table is missing or differs from it, or has other partitions than it was begun with.

    The first such is named.
    """
    there = await standing(settings)
    counts = {topic.name: topic.partitions for topic in there.values()}
    try:
        pinned = await pinned_partitions(settings, counts)
    except (KafkaError, TimeoutError) as error:
        raise failed("look at the state", error) from None
    if (refusal := refused_partitions(counts, settings.partitions, pinned)) is not None:
        raise refusal
    refuse_differences(compared(settings, there))


def refuse_differences(differences: list[Difference]) -> None:
    """Refuses with the first of ``differences``, a missing topic before a different one."""
    first = next((each for each in differences if each.missing), differences[0] if differences else None)
    if first is None:
        return
    if first.missing:
        raise StartupError(f"topic {first.topic} is missing", "run footfall topics apply")
    raise StartupError(
        f"topic {first.topic} differs from the table: {first.setting} is {first.found}, not {first.expected}",
        "set it so on the broker, and look at footfall topics diff",
    )


class Keys(NamedTuple):
    """What ``anonymize`` holds and ``aggregate`` must not."""

    pseudonym: bytes
    control: ControlKeys


def require_key(kind: Kind, settings: Settings) -> Keys | None:
    """Both keys for ``anonymize``, which refuses without one; ``aggregate`` refuses with one."""
    if not STAGES[kind].holds_key:
        for name in KEY_FIELDS:
            if getattr(settings, name) is not None:
                raise StartupError(
                    f"FOOTFALL_{name.upper()} is set for worker {kind}, which must not hold it",
                    "unset it there; worker anonymize has it",
                )
        return None
    secret = settings.pseudonym_secret()
    if secret is None:
        raise StartupError(
            "worker anonymize has no pseudonym key",
            "set FOOTFALL_PSEUDONYM_KEY_FILE to a file of 64 hexadecimal digits, or FOOTFALL_PSEUDONYM_KEY to them",
        )
    return Keys(secret, require_control(settings, "worker anonymize"))


def require_control(settings: Settings, who: str) -> ControlKeys:
    """The control keys; refuses where none is set."""
    keys = settings.control_keys()
    if keys is None:
        raise StartupError(
            f"{who} has no control key",
            "set FOOTFALL_CONTROL_KEY_FILE to a file of 64 hexadecimal digits, or FOOTFALL_CONTROL_KEY to them",
        )
    return keys


async def replication_warning(settings: Settings) -> str | None:
    """One line where a topic has fewer than 3 replicas, so that a lost disk may lose events; None where none has."""
    topics = await standing(settings)
    few = [topic for topic in topics.values() if topic.replication < _SAFE_REPLICATION]
    if not few:
        return None
    least = min(few, key=lambda topic: topic.replication)
    return (
        f"{len(few)} of {len(topics)} topics have fewer than {_SAFE_REPLICATION} replicas"
        f" ({least.name} has {least.replication}): a lost disk may lose events"
    )
