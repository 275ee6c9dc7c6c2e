"""Who may do what with topics and groups: the rules that follow from the table of roles, and how brokers are told."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from aiokafka.protocol.admin import CreateAclsRequest

from pipeline.broker.rights import Right
from pipeline.errors import StartupError
from pipeline.kafka.clients import Admin
from schemas.flow import ROLES, STAGES, Role
from schemas.topics import TOPICS, topic_name

__all__ = ["Grant", "Pattern", "Resource", "allow", "grants", "group_name", "principal"]

_ALLOW: Final = 3
_ANYWHERE: Final = "*"


class Resource(IntEnum):
    """Kinds of resources by the numbers of Kafka's ACLs."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4


class Pattern(IntEnum):
    """Whether a rule is for one name or for all that begin with it, by the numbers of Kafka's ACLs."""

    LITERAL = 3
    PREFIXED = 4


class Grant(NamedTuple):
    """One rule: what ``role`` may do."""

    role: str
    resource: Resource
    name: str
    right: Right
    pattern: Pattern = Pattern.LITERAL


def principal(role: str) -> str:
    """The user that a role logs in as, as ACLs name it."""
    return f"User:{role}"


def group_name(prefix: str, kind: str) -> str:
    """The consumer group of a kind of worker."""
    return f"{prefix}-{kind}"


def grants(prefix: str) -> Iterator[Grant]:
    """Every rule of the deployment under ``prefix``; what none allows is denied."""
    for role in ROLES.values():
        for short in role.reads:
            yield Grant(role.name, Resource.TOPIC, topic_name(prefix, short), Right.READ)
        for short in role.writes:
            yield Grant(role.name, Resource.TOPIC, topic_name(prefix, short), Right.WRITE)
        if role.reads:
            yield from _looks(role, prefix)
        if role.manages:
            yield from _manages(role, prefix)
    for kind in STAGES:
        yield Grant(kind, Resource.GROUP, group_name(prefix, kind), Right.READ)
    # Of their own choice, since tools of analysts come in groups.
    yield Grant("analysts", Resource.GROUP, f"{prefix}-analysts", Right.READ, Pattern.PREFIXED)


def _looks(role: Role, prefix: str) -> Iterator[Grant]:
    """A start compares every topic with the table, so who reads one may see the settings of all, not what they hold."""
    for short in TOPICS:
        for right in (Right.DESCRIBE, Right.DESCRIBE_CONFIGS):
            yield Grant(role.name, Resource.TOPIC, topic_name(prefix, short), right)


def _manages(role: Role, prefix: str) -> Iterator[Grant]:
    replays = f"{topic_name(prefix, 'aggregates')}."
    for short in TOPICS:
        for right in (Right.CREATE, Right.ALTER_CONFIGS):
            yield Grant(role.name, Resource.TOPIC, topic_name(prefix, short), right)
    for right in (Right.READ, Right.WRITE, Right.CREATE, Right.DELETE, Right.DESCRIBE_CONFIGS):
        yield Grant(role.name, Resource.TOPIC, replays, right, Pattern.PREFIXED)
    for kind in STAGES:
        yield Grant(role.name, Resource.GROUP, group_name(prefix, kind), Right.DESCRIBE)
    for right in (Right.DESCRIBE, Right.DESCRIBE_CONFIGS):
        yield Grant(role.name, Resource.CLUSTER, "kafka-cluster", right)


async def allow(client: Admin, prefix: str) -> None:
    """Have the brokers keep the rules; those that they have are kept. Raises KafkaError, refuses what they refuse."""
    for each in grants(prefix):
        rule = (each.resource, each.name, each.pattern, principal(each.role), _ANYWHERE, each.right, _ALLOW)
        answer = await client.ask(CreateAclsRequest(*rule))
        for code, message in answer.creation_responses:
            if code:
                raise StartupError("the broker takes no access rule", message or f"it says error {code}")
