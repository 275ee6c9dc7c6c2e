"""Asking brokers about themselves while one of them is away."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NodeNotReadyError

from pipeline.kafka.patches.admin import Admin as _Admin


def asked(monkeypatch: pytest.MonkeyPatch, away: set[int], nodes: int = 3) -> tuple[_Admin, list[int]]:
    """A client of ``nodes`` brokers of which some are ``away``, and whom it asked."""
    seen: list[int] = []

    async def send(_: object, request: object, node_id: int) -> Any:
        seen.append(node_id)
        if node_id in away:
            raise NodeNotReadyError
        return request

    monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", send)
    client = object.__new__(_Admin)
    brokers = [SimpleNamespace(nodeId=number) for number in range(nodes)]
    client._client = SimpleNamespace(cluster=SimpleNamespace(brokers=lambda: brokers))
    return client, seen


async def test_another_broker_is_asked_where_one_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for present in range(3):
        client, _ = asked(monkeypatch, {0, 1, 2} - {present})
        assert await client._send_request("what") == "what"


async def test_where_all_are_away_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    client, seen = asked(monkeypatch, {0, 1, 2})
    with pytest.raises(NodeNotReadyError):
        await client._send_request("what")
    assert sorted(seen) == [0, 1, 2]


async def test_a_broker_that_is_named_is_the_only_one_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    client, seen = asked(monkeypatch, {1})
    with pytest.raises(NodeNotReadyError):
        await client._send_request("what", 1)
    assert seen == [1]
