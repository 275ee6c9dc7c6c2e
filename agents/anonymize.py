"""The agent of the first hop: hands each fetched chunk of raw records to the owner of its partition."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from agents.core.records import RawRecord

__all__ = ["anonymize"]


def anonymize(
    take: Callable[[int, Sequence[RawRecord]], Awaitable[None]],
) -> Callable[[Any], AsyncIterator[int]]:
    """The agent's function, to be bound to an app; ``take`` gets (partition, raw records in order).

    It yields once a chunk the offset of the last record.
    """

    async def agent(stream: Any) -> AsyncIterator[int]:
        async for event in stream.events():
            records = [
                RawRecord(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))
                for record in event.value
            ]
            await take(event.message.partition, records)
            yield event.message.offset

    return agent
