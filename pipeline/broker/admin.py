"""A connection to ask a broker about itself, refused within seconds where none answers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from pipeline.errors import StartupError
from pipeline.kafka.clients import Admin, admin_client
from pipeline.kafka.connection import Where, connection_to
from pipeline.kafka.login import refusal_at

__all__ = ["admin", "coordinated", "unreachable"]

Answer = TypeVar("Answer")

_ANSWER_SECONDS: Final = 8
_REQUEST_MS: Final = 20_000
_COORDINATOR_SECONDS: Final = 10.0


def unreachable(brokers: str, reason: object) -> StartupError:
    """The refusal for brokers that do not answer."""
    return StartupError(f"cannot reach a broker at {brokers}", f"start one or mend FOOTFALL_BROKERS ({reason})")


@asynccontextmanager
async def admin(brokers: Where) -> AsyncIterator[Admin]:
    """An admin client that has had an answer of ``brokers``; refuses where there is none within 8 s."""
    logger = logging.getLogger("aiokafka")
    if not logger.handlers:  # else Python prints to stderr what the refusal says already
        logger.addHandler(logging.NullHandler())
    connection = connection_to(brokers)
    client = admin_client(connection, request_ms=_REQUEST_MS)
    try:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await client.start()
                await client.describe_cluster()
        except TimeoutError:
            raise refusal_at(connection) or unreachable(
                connection.brokers, f"no answer within {_ANSWER_SECONDS} s"
            ) from None
        except (KafkaError, OSError, ValueError) as error:
            raise refusal_at(connection) or unreachable(connection.brokers, type(error).__name__) from None
        yield client
    finally:
        await client.close()


async def coordinated(what: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer of a group's coordinator, which a new cluster makes only when it is asked for one.

    Refuses with ``what`` is not told where there is none within 10 s.
    """
    until = asyncio.get_running_loop().time() + _COORDINATOR_SECONDS
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable or asyncio.get_running_loop().time() > until:
                raise StartupError(
                    f"the broker does not tell the {what} ({type(error).__name__})",
                    "look at the state of the brokers, then try again",
                ) from None
        await asyncio.sleep(0.2)
