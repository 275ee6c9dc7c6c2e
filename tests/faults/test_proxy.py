"""Each thing the proxy can do, against a server of a few lines that answers each request with itself."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from pipeline.broker.embedded import free_ports
from tests.faults.proxy import PRODUCE, Proxy, Rules

OTHER = 3


@dataclass
class Server:
    seen: list[bytes] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head, "big"))
                self.seen.append(body)
                writer.write(head + body)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self.broken.append(error.partial)
        except ConnectionError:
            self.broken.append(b"")
        finally:
            writer.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self, key: int, text: bytes) -> bytes:
        body = key.to_bytes(2, "big") + text
        self.writer.write(len(body).to_bytes(4, "big") + body)
        return body

    async def answer(self, seconds: float = 20) -> bytes:
        async with asyncio.timeout(seconds):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            return await self.reader.readexactly(size)

    async def silent(self) -> bool:
        try:
            await self.answer(0.3)
        except TimeoutError:
            return True
        return False


@contextlib.asynccontextmanager
async def made() -> AsyncIterator[tuple[Proxy, Server, Client]]:
    server = Server()
    target, port = free_ports(2)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", target)
    proxy = Proxy(1, port, target)
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield proxy, server, client
    finally:
        client.writer.close()
        await asyncio.to_thread(proxy.close)
        listening.close()


async def until(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_everything_passes_where_nothing_is_ruled() -> None:
    async with made() as (_, server, client):
        asked = [client.ask(PRODUCE, bytes(1 << 21)), client.ask(OTHER, b"two")]
        assert [await client.answer(), await client.answer()] == asked == server.seen


async def test_a_reset_breaks_the_connection() -> None:
    async with made() as (proxy, _, client):
        client.ask(OTHER, b"one")
        await client.answer()
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await client.answer()
        again = Client(*await asyncio.open_connection("127.0.0.1", proxy.port))
        again.ask(OTHER, b"two")
        await again.answer()
        again.writer.close()


async def test_a_request_is_cut_after_so_many_bytes() -> None:
    async with made() as (proxy, server, client):
        proxy.rule(Rules(cut=(PRODUCE, 7)))
        client.ask(OTHER, b"whole")
        await client.answer()
        client.ask(PRODUCE, b"never whole")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.answer()
        await until(lambda: server.broken)
        assert proxy.done["cut"] == 1
        assert len(server.seen) == 1


async def test_answers_are_lost_and_the_connection_ends_when_that_is_over() -> None:
    async with made() as (proxy, server, client):
        proxy.rule(Rules(lose_answers=True))
        client.ask(PRODUCE, b"arrives")
        await until(lambda: server.seen)
        assert await client.silent()
        proxy.rule(Rules())
        with pytest.raises(ConnectionResetError):
            await client.answer()


async def test_requests_are_lost() -> None:
    async with made() as (proxy, server, client):
        proxy.rule(Rules(lose_requests=True))
        client.ask(PRODUCE, b"never arrives")
        await until(lambda: proxy.done["lost requests"])
        assert await client.silent()
        assert not server.seen


async def test_a_held_request_arrives_when_it_is_released_and_others_pass() -> None:
    async with made() as (proxy, server, client):
        proxy.rule(Rules(hold=PRODUCE))
        first, held, after = client.ask(OTHER, b"first"), client.ask(PRODUCE, b"held"), client.ask(OTHER, b"after")
        assert await client.answer() == first
        await until(lambda: proxy.done["held"])
        client.writer.close()  # its sender is gone
        assert server.seen == [first]
        proxy.rule(Rules())
        await until(lambda: len(server.seen) == 3)
        assert server.seen == [first, held, after]
        await until(lambda: proxy.done["landed"])


async def test_what_is_delayed_arrives() -> None:
    async with made() as (proxy, _, client):
        proxy.rule(Rules(delay=0.2))
        asked = client.ask(OTHER, b"slow")
        assert await client.answer() == asked


async def test_a_rule_for_one_process_leaves_others_alone() -> None:
    async with made() as (proxy, _, client):
        proxy.rule(Rules(frozenset({os.getppid()}), lose_answers=True))
        asked = client.ask(OTHER, b"passes")
        assert await client.answer() == asked
        proxy.rule(Rules(frozenset({os.getpid()}), lose_answers=True))
        client.ask(OTHER, b"is lost")
        assert await client.silent()
