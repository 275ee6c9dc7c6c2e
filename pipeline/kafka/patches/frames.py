"""How a worker takes in what brokers send: the pieces of a frame, joined once.

The client reads through asyncio's streams, which let one buffer grow by each piece, copy a frame out of it, and stop
and start the transport every 128 KB until the reading task has looked. Of fetches of megabytes that was a fifth of the
first hop's CPU (ADR 0017).
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import SupportsIndex, cast

__all__ = ["FrameReader"]


class FrameReader(asyncio.StreamReader):
    """Of :class:`asyncio.StreamReader` what the client uses: bytes by their number, errors and the end as there.

    It is one, since :class:`asyncio.StreamWriter` asks for that, and shares nothing with it.
    The transport is paused while more than twice ``limit`` bytes lie here beside those that are waited for.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self._limit = limit
        self._loop = loop
        self._pieces: deque[memoryview] = deque()
        self._size = 0
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._is_paused = False
        self._is_over = False
        self._error: Exception | None = None

    # ---- what the protocol tells

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """From where the bytes come."""
        self._transport = cast("asyncio.ReadTransport", transport)

    def exception(self) -> Exception | None:
        """How the connection ended, None where it did not or in order."""
        return self._error

    def set_exception(self, error: Exception) -> None:
        """The connection is lost."""
        self._error = error
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def feed_eof(self) -> None:
        """No more will come."""
        self._is_over = True
        self._wake()

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """A piece has come."""
        piece = memoryview(bytes(data))
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= self._wanted:
            self._wake()
        if self._transport is not None and not self._is_paused and self._size > self._wanted + 2 * self._limit:
            self._transport.pause_reading()
            self._is_paused = True

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # ---- what the client asks

    async def readexactly(self, count: int) -> bytes:
        """The next ``count`` bytes.

        Raises :class:`asyncio.IncompleteReadError` where fewer come before the end, ValueError for a negative count,
        and the connection's error.
        """
        if count < 0:
            raise ValueError("a frame of a negative size")
        if self._error is not None:
            raise self._error
        self._wanted = count
        while self._size < count:
            if self._is_over:
                raise asyncio.IncompleteReadError(self._take(self._size), count)
            self._go_on()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        found, self._wanted = self._take(count), 0
        if self._size <= self._limit:
            self._go_on()
        return found

    def _go_on(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    def _take(self, count: int) -> bytes:
        taken: list[memoryview] = []
        self._size -= count
        while count > 0:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            taken.append(piece)
            count -= len(piece)
        return b"".join(taken)
