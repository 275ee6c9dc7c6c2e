"""What the brokers let this user do with topics and groups: asked for, never tried, so nothing is written.

Brokers without an authorizer allow everything.
"""

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from aiokafka.errors import GroupAuthorizationFailedError, for_code

from pipeline.broker.admin import admin, coordinated
from pipeline.kafka.connection import Where
from pipeline.kafka.patches.protocol import GroupWithRights, MetadataWithRights

__all__ = ["Group", "Right", "group_of", "topic_rights"]

_NONE_TOLD: Final = -(1 << 31)
_NO_RIGHT_TO_SEE: Final = {29, 30}
"""TOPIC_AUTHORIZATION_FAILED and GROUP_AUTHORIZATION_FAILED: not even that there is one may be known."""


class Right(IntEnum):
    """Operations by the numbers of Kafka's ACLs."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


async def topic_rights(brokers: Where, topics: Collection[str]) -> Mapping[str, Collection[Right]]:
    """Topic to what may be done with it, for those that are there.

    Raises KafkaError, NotImplementedError where the brokers are too old to tell, and StartupError where none answers.
    """
    async with admin(brokers) as client:
        answer = await client.ask(MetadataWithRights(topics))
    return {
        topic[1]: () if topic[0] in _NO_RIGHT_TO_SEE else _rights(topic[4])
        for topic in answer.topics
        if not topic[0] or topic[0] in _NO_RIGHT_TO_SEE
    }


class Group(NamedTuple):
    """A consumer group as its coordinator has it; one that is unknown has no members."""

    state: str
    members: int
    rights: Collection[Right]


async def group_of(brokers: Where, name: str) -> Group:
    """The group ``name``, whether there is one or not; raises as :func:`topic_rights`."""
    async with admin(brokers) as client:

        async def ask() -> Group:
            try:
                node = await client.find_coordinator(name)
            except GroupAuthorizationFailedError:
                return Group("", 0, ())
            answer = await client.ask(GroupWithRights(name), node)
            code, _, state, _, _, members, rights = answer.groups[0]
            if code and code not in _NO_RIGHT_TO_SEE:
                raise for_code(code)
            return Group(state, len(members), () if code else _rights(rights))

        return await coordinated(f"state of group {name}", ask)


def _rights(bits: int) -> Collection[Right]:
    if bits == _NONE_TOLD:
        raise NotImplementedError("the brokers tell no rights")
    return {right for right in Right if bits >> right & 1}
