"""aiokafka's admin client, made to ask more than one broker and to send requests of ours."""

import contextlib
import random
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

__all__ = ["Admin", "partitions_of"]


class Admin(AIOKafkaAdminClient):  # type: ignore[misc]
    """Asks every other broker before it gives up: the client's own picks one at random, which may be the one away."""

    async def _send_request(self, request: Any, node_id: int | None = None) -> Any:
        if node_id is not None:
            return await super()._send_request(request, node_id)
        nodes = [broker.nodeId for broker in self._client.cluster.brokers()]
        random.shuffle(nodes)
        for node in nodes[:-1]:
            with contextlib.suppress(NodeNotReadyError, KafkaConnectionError):
                return await super()._send_request(request, node)
        return await super()._send_request(request, nodes[-1] if nodes else None)

    async def ask(self, request: Any, node_id: int | None = None) -> Any:
        """The answer to ``request``, of that node or of any; raises KafkaError."""
        return await self._send_request(request, node_id)


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """The partitions of ``topic``, once the brokers have told of it."""
    await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - there is no public call that waits for it
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
