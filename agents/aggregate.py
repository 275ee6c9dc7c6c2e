"""The agent of the second hop: hands each fetched stretch of clean chunks to the owner of its partition."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

__all__ = ["aggregate"]


def aggregate(
    take: Callable[[int, Sequence[tuple[int, bytes]]], Awaitable[None]],
) -> Callable[[Any], AsyncIterator[int]]:
    """The agent's function, to be bound to an app; ``take`` gets (partition, (clean offset, bytes) in order).

    It yields once a stretch the offset of the last chunk.
    """

    async def agent(stream: Any) -> AsyncIterator[int]:
        async for event in stream.events():
            chunks = [(record.offset, record.value or b"") for record in event.value]
            await take(event.message.partition, chunks)
            yield event.message.offset

    return agent
