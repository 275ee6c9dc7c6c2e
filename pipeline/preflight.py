"""What is looked at before anything starts; whatever is wrong is refused in one line."""

from typing import Final, Literal

from pipeline.broker.admin import admin
from pipeline.broker.topics import Difference, diff, standing
from pipeline.errors import Refused
from pipeline.settings import Settings

__all__ = ["Kind", "refuse_differences", "replication_warning", "require_broker", "require_key", "require_topics"]

Kind = Literal["anonymize", "aggregate"]
"""The two workers."""
_SAFE_REPLICATION: Final = 3


async def require_broker(settings: Settings) -> str:
    """The address of brokers that answer; refuses where none is set or none answers within 8 s."""
    if settings.brokers is None:
        raise Refused("FOOTFALL_BROKERS is not set", "set it to host:port of a broker, or try footfall demo")
    async with admin(settings.brokers):
        return settings.brokers


async def require_topics(settings: Settings) -> None:
    """Refuses where a topic of the table is missing or differs from it; the first such is named."""
    refuse_differences(await diff(settings))


def refuse_differences(differences: list[Difference]) -> None:
    """Refuses with the first of ``differences``, a missing topic before a different one."""
    first = next((each for each in differences if each.missing), differences[0] if differences else None)
    if first is None:
        return
    if first.missing:
        raise Refused(f"topic {first.topic} is missing", "run footfall topics apply")
    if first.setting == "partitions":
        raise Refused(
            f"topic {first.topic} differs from the table: it has {first.found} partitions, not {first.expected}",
            "set FOOTFALL_PARTITIONS to what it has, or take another FOOTFALL_TOPIC_PREFIX",
        )
    raise Refused(
        f"topic {first.topic} differs from the table: {first.setting} is {first.found}, not {first.expected}",
        "set it so on the broker, and look at footfall topics diff",
    )


def require_key(kind: Kind, settings: Settings) -> bytes | None:
    """The 32 bytes of the pseudonym key for ``anonymize``, which refuses without it; ``aggregate`` refuses with it."""
    if kind == "aggregate":
        if settings.pseudonym_key is not None or settings.pseudonym_key_file is not None:
            name = "KEY" if settings.pseudonym_key is not None else "KEY_FILE"
            raise Refused(
                f"FOOTFALL_PSEUDONYM_{name} is set for worker aggregate, which must not hold it",
                "unset it there; worker anonymize alone has it",
            )
        return None
    secret = settings.pseudonym_secret()
    if secret is None:
        raise Refused(
            "worker anonymize has no pseudonym key",
            "set FOOTFALL_PSEUDONYM_KEY_FILE to a file of 64 hexadecimal digits, or FOOTFALL_PSEUDONYM_KEY to them",
        )
    return secret


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
