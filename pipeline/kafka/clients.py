"""The one factory of Kafka clients: everything that talks to a broker is made here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.kafka.connection import Where, connection_to
from pipeline.kafka.login import login_for, refusal_at
from pipeline.kafka.patches import require_versions
from pipeline.kafka.patches.admin import Admin
from pipeline.kafka.patches.connecting import show_logins
from pipeline.kafka.patches.fetching import BatchConsumer

__all__ = [
    "Admin",
    "BatchConsumer",
    "admin_client",
    "batch_consumer",
    "end_consumer",
    "group_consumer",
    "producer",
    "started",
]

_REQUEST_MS = 20_000
Client = TypeVar("Client", bound=Any)


def _options(where: Where) -> dict[str, Any]:
    """What every client is told; raises ClientVersionError where the installed clients are not those patched."""
    require_versions()
    connection = connection_to(where)
    options: dict[str, Any] = {"bootstrap_servers": connection.brokers}
    if (login := login_for(connection.security)) is None:
        return options
    show_logins()
    return options | login.options()


def batch_consumer(where: Where, *, partition_bytes: int = 4 << 20, wait_ms: int = 500) -> BatchConsumer:
    """A consumer outside any group, to be started and assigned partitions; what was not committed is left out.

    A fetch brings up to ``partition_bytes`` of a partition, one batch at least, and waits up to ``wait_ms`` for it.
    """
    return BatchConsumer(
        **_options(where),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        max_partition_fetch_bytes=partition_bytes,
        fetch_max_wait_ms=wait_ms,
        request_timeout_ms=_REQUEST_MS,
    )


def end_consumer(where: Where) -> AIOKafkaConsumer:
    """A consumer that reads nothing: its end offsets are those of all that is written, open transactions too."""
    return AIOKafkaConsumer(
        **_options(where),
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_uncommitted",
        request_timeout_ms=_REQUEST_MS,
    )


def group_consumer(where: Where, group: str, assignor: object, **more: Any) -> BatchConsumer:
    """A member of ``group``, whose positions are never the group's; ``more`` are options of the client."""
    return BatchConsumer(
        **_options(where),
        group_id=group,
        partition_assignment_strategy=[assignor],
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        **more,
    )


def producer(where: Where, **more: Any) -> AIOKafkaProducer:
    """An idempotent producer that waits for all in-sync replicas; ``more`` are options of the client."""
    return AIOKafkaProducer(**_options(where), acks="all", enable_idempotence=True, **more)


def admin_client(where: Where, *, request_ms: int) -> Admin:
    """A client that asks brokers about themselves and makes topics."""
    return Admin(**_options(where), request_timeout_ms=request_ms)


@asynccontextmanager
async def started(client: Client, where: Where) -> AsyncIterator[Client]:
    """``client``, started, and stopped at the end, also where its start fails.

    That raises StartupError where the brokers refuse the login or a certificate is not trusted, else KafkaError or
    OSError.
    """
    try:
        try:
            await client.start()
        except (KafkaError, OSError):
            if (refusal := refusal_at(where)) is not None:
                raise refusal from None
            raise
        yield client
    finally:
        await client.stop()
