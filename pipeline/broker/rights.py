"""What the brokers let this user do with topics and groups: asked for, never tried, so nothing is written.

The client's newest metadata request (version 5) has no word for it, and its request for a group (version 3) reads the
answer as that of another version; so both stand here as Kafka's protocol defines them. Brokers without an authorizer
allow everything.
"""

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from aiokafka.errors import GroupAuthorizationFailedError, for_code
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from pipeline.broker.admin import admin, coordinated

__all__ = ["Group", "Right", "group_of", "topic_rights"]

_NONE_TOLD: Final = -(1 << 31)
_NO_RIGHT_TO_SEE: Final = {29, 30}
"""TOPIC_AUTHORIZATION_FAILED and GROUP_AUTHORIZATION_FAILED: not even that there is one may be known."""


class Right(IntEnum):
    """Operations by the numbers of Kafka's ACLs."""

    READ = 3
    WRITE = 4


class _Answer(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Metadata(Request[_Question]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class(self._topics, False, False, True)


class _GroupQuestion(RequestStruct):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class _Groups(Request[_GroupQuestion]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupQuestion]) -> _GroupQuestion:
        return request_struct_class([self._group], True)


async def topic_rights(brokers: str, topics: Collection[str]) -> Mapping[str, Collection[Right]]:
    """Topic to what may be done with it, for those that are there.

    Raises KafkaError, NotImplementedError where the brokers are too old to tell, and Refused where none answers.
    """
    async with admin(brokers) as client:
        answer = await client._send_request(_Metadata(topics))  # noqa: SLF001 - it has no public way for one of ours
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


async def group_of(brokers: str, name: str) -> Group:
    """The group ``name``, whether there is one or not; raises as :func:`topic_rights`."""
    async with admin(brokers) as client:

        async def ask() -> Group:
            try:
                node = await client.find_coordinator(name)
            except GroupAuthorizationFailedError:
                return Group("", 0, ())
            answer = await client._send_request(_Groups(name), node)  # noqa: SLF001 - as above
            code, _, state, _, _, members, rights = answer.groups[0]
            if code and code not in _NO_RIGHT_TO_SEE:
                raise for_code(code)
            return Group(state, len(members), () if code else _rights(rights))

        return await coordinated(f"state of group {name}", ask)


def _rights(bits: int) -> Collection[Right]:
    if bits == _NONE_TOLD:
        raise NotImplementedError("the brokers tell no rights")
    return {right for right in Right if bits >> right & 1}
