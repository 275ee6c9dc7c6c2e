"""A connection to ask a broker about itself, refused within seconds where none answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.errors import Refused

__all__ = ["admin", "unreachable"]

_ANSWER_SECONDS: Final = 8
_REQUEST_MS: Final = 20_000


def unreachable(brokers: str, reason: object) -> Refused:
    """The refusal for brokers that do not answer."""
    return Refused(f"cannot reach a broker at {brokers}", f"start one or mend FOOTFALL_BROKERS ({reason})")


@asynccontextmanager
async def admin(brokers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client that has had an answer of ``brokers``; refuses where there is none within 8 s."""
    logger = logging.getLogger("aiokafka")
    if not logger.handlers:  # else Python prints to stderr what the refusal says already
        logger.addHandler(logging.NullHandler())
    client = AIOKafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=_REQUEST_MS)
    try:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await client.start()
                await client.describe_cluster()
        except TimeoutError:
            raise unreachable(brokers, f"no answer within {_ANSWER_SECONDS} s") from None
        except (KafkaError, OSError, ValueError) as error:
            raise unreachable(brokers, type(error).__name__) from None
        yield client
    finally:
        await client.close()
