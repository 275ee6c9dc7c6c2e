"""A seeded TCP proxy between clients and one broker: it resets, cuts, delays, loses and holds back what passes.

It reads the clients' side request by request (a length, then an API key), so that a fault can be meant for one kind
of request, and knows by its port which process a connection belongs to, so that it can be meant for one worker.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil

__all__ = ["PRODUCE", "Proxy", "Rules"]

PRODUCE = 0
"""Kafka's API key of a produce request."""
_HOST = "127.0.0.1"
_LIMIT = 1 << 20
_RESET = struct.pack("ii", 1, 0)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Rules:
    """What happens to connections; ``pids`` limits it to those of some processes.

    ``hold`` keeps requests with that API key, and whatever its connection sends after, until the rules change;
    ``cut`` sends only so many bytes of a request with that key (at most all but one) and resets the connection.
    A connection of which something was lost is reset when the rules change, since its stream has a hole.
    """

    pids: frozenset[int] | None = None
    lose_requests: bool = False
    lose_answers: bool = False
    delay: float = 0
    """Seconds at most, for each request and each piece of an answer."""
    hold: int | None = None
    cut: tuple[int, int] | None = None
    """(API key, bytes)."""


class _Link:
    """One connection of a client and its counterpart to the broker."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.writers = (client, broker)
        self.port: int = client.get_extra_info("peername")[1]
        self.maimed = False
        self.released = False
        self._judged: tuple[Rules, bool] | None = None

    def concerned(self, rules: Rules) -> bool:
        if rules.pids is None:
            return True
        if self._judged is None or self._judged[0] is not rules:
            self._judged = (rules, any(self.port in _ports_of(pid) for pid in rules.pids))
        return self._judged[1]

    def reset(self) -> None:
        """RST both ways, whatever is under way."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


def _ports_of(pid: int) -> set[int]:
    try:
        return {each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.laddr}
    except psutil.Error:
        return set()


class Proxy:
    """Listens on ``port`` and forwards to ``target``; in a thread of its own, so that no test's work slows it.

    ``done`` counts what it did: lost, held, released, landed (released and answered), cut, reset.
    """

    def __init__(self, seed: object, port: int, target: int) -> None:
        self.port = port
        self.done: Counter[str] = Counter()
        self._target = target
        self._chance = random.Random(f"proxy {seed}")
        self._rules = Rules()
        self._changed = asyncio.Event()
        self._links: set[_Link] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, _HOST, port, limit=_LIMIT))

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"{_HOST}:{self.port}"

    def close(self) -> None:
        """Reset everything and end."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def rule(self, rules: Rules) -> None:
        """From now on; what was held is released, in order."""
        self._run(self._rule(rules))

    def reset(self, pid: int | None = None) -> int:
        """Reset connections, of one process or all; how many."""
        return self._run(self._reset(Rules(None if pid is None else frozenset({pid}))))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _close(self) -> None:
        self._server.close()
        await self._reset(Rules())
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _rule(self, rules: Rules) -> None:
        self._rules = rules
        self._changed.set()
        self._changed = asyncio.Event()
        for link in [link for link in self._links if link.maimed]:
            link.reset()

    async def _reset(self, rules: Rules) -> int:
        found = [link for link in self._links if link.concerned(rules)]
        for link in found:
            link.reset()
        self.done["reset"] += len(found)
        return len(found)

    # ---- what passes

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_read, to_write = await asyncio.open_connection(_HOST, self._target, limit=_LIMIT)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, to_write)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._requests(link, reader, to_write)),
            asyncio.create_task(self._answers(link, to_read, writer)),
        ]
        self._pumps.update(pumps)
        try:
            await asyncio.wait(pumps)
        finally:
            self._links.discard(link)
            self._pumps.difference_update(pumps)
            for each in link.writers:
                each.transport.abort()

    async def _requests(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                frame = head + await reader.readexactly(int.from_bytes(head, "big"))
                if await self._may_pass(link, frame, writer):
                    writer.write(frame)
                    await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _may_pass(self, link: _Link, frame: bytes, writer: asyncio.StreamWriter) -> bool:
        """False where the request is lost or was cut."""
        rules, key = self._rules, int.from_bytes(frame[4:6], "big")
        if not link.concerned(rules):
            return True
        if rules.delay:
            await asyncio.sleep(self._chance.uniform(0, rules.delay))
        if rules.cut is not None and key == rules.cut[0]:
            writer.write(frame[: min(rules.cut[1], len(frame) - 1)])
            await writer.drain()
            await asyncio.sleep(0)  # what was written goes out before the reset
            self.done["cut"] += 1
            link.reset()
            return False
        if rules.hold == key:
            changed = self._changed
            self.done["held"] += 1
            await changed.wait()
            self.done["released"] += 1
            link.released = True
        if rules.lose_requests:
            link.maimed = True
            self.done["lost requests"] += 1
            return False
        return True

    async def _answers(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(1 << 16):
                rules = self._rules
                if link.released:
                    self.done["landed"] += 1
                    link.released = False
                if link.concerned(rules):
                    if rules.delay:
                        await asyncio.sleep(self._chance.uniform(0, rules.delay))
                    if rules.lose_answers:
                        link.maimed = True
                        self.done["lost answers"] += 1
                        continue
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
