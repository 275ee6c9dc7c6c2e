"""The agent of the first hop: hands what each fetch brought of a raw partition to its owner."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

__all__ = ["anonymize"]


def anonymize(
    take: Callable[[int, Sequence[Any]], Awaitable[None]],
) -> Callable[[Any], AsyncIterator[int]]:
    """The agent's function, to be bound to an app; ``take`` gets (partition, batches of raw records in order).

    It yields once a fetch its last offset.
    """

    async def agent(stream: Any) -> AsyncIterator[int]:
        async for event in stream.events():
            await take(event.message.partition, event.value)
            yield event.message.offset

    return agent
