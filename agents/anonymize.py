"""The agent of the first hop: hands each fetched chunk of raw records to the owner of its partition."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from agents.core.native import Records
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
            await take(event.message.partition, _records(event.value))
            yield event.message.offset

    return agent


def _records(fetched: Any) -> Sequence[RawRecord]:
    if isinstance(fetched, Records):
        return fetched
    return [
        RawRecord(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))
        for record in fetched
    ]
