"""Frames however they are cut on their way: as asyncio's own reader gives them, and so are the ends of connections."""

import asyncio
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection, create_conn
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.patches import connecting
from pipeline.kafka.patches.connecting import read_frames_whole
from pipeline.kafka.patches.frames import FrameReader

PIECES = st.lists(st.binary(min_size=1, max_size=9), max_size=12)
COUNTS = st.lists(st.integers(0, 15), max_size=12)


class Transport:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")


async def outcome(reader: Any, pieces: list[bytes], counts: list[int]) -> list[object]:
    async def read() -> list[object]:
        found: list[object] = []
        for count in counts:
            try:
                found.append(await reader.readexactly(count))
            except asyncio.IncompleteReadError as error:
                return [*found, error.partial, error.expected]
        return found

    reading = asyncio.create_task(read())
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    return await reading


@given(PIECES, COUNTS, st.integers(1, 8))
async def test_frames_are_those_of_the_standard_reader(pieces: list[bytes], counts: list[int], limit: int) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = FrameReader(limit=limit, loop=loop), asyncio.StreamReader(limit=limit, loop=loop)
    assert await outcome(ours, pieces, counts) == await outcome(theirs, pieces, counts)


async def test_a_lost_connection_is_told_to_who_waits_and_to_who_asks_later() -> None:
    reader = FrameReader(limit=10, loop=asyncio.get_running_loop())
    waiting = asyncio.create_task(reader.readexactly(4))
    await asyncio.sleep(0)
    reader.feed_data(b"abc")
    reader.set_exception(ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError):
        await waiting
    assert isinstance(reader.exception(), ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    with pytest.raises(ValueError, match="negative"):
        await FrameReader(limit=10, loop=asyncio.get_running_loop()).readexactly(-1)


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    reader = FrameReader(limit=10, loop=asyncio.get_running_loop())
    waiting = asyncio.create_task(reader.readexactly(4))
    await asyncio.sleep(0)
    waiting.cancel()
    reader.feed_data(b"abcd")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await reader.readexactly(4) == b"abcd"


async def test_what_nobody_waits_for_is_held_back() -> None:
    reader, transport = FrameReader(limit=10, loop=asyncio.get_running_loop()), Transport()
    reader.set_transport(transport)  # type: ignore[arg-type]
    reader.feed_data(bytes(20))
    assert transport.told == []
    reader.feed_data(bytes(1))
    reader.feed_data(bytes(1))
    assert transport.told == ["pause"]
    await reader.readexactly(11)
    assert transport.told == ["pause"]
    await reader.readexactly(1)
    assert transport.told == ["pause", "resume"]
    waiting = asyncio.create_task(reader.readexactly(50))
    await asyncio.sleep(0)
    reader.feed_data(bytes(45))
    assert await waiting == bytes(50)
    assert transport.told == ["pause", "resume"]


async def test_the_client_reads_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def looked_up(_self: object) -> None:
        return None

    async def kind_of_reader() -> str:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            connection = await create_conn("127.0.0.1", server.sockets[0].getsockname()[1])
            kind = type(connection._reader).__name__
            connection.close()
            return kind

    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", looked_up)
    monkeypatch.setattr(AIOKafkaConnection, "connect", connecting._ORIGINAL)
    assert await kind_of_reader() == "StreamReader"
    monkeypatch.setattr(AIOKafkaConnection, "connect", AIOKafkaConnection.connect)  # undone after the test
    monkeypatch.setattr(connecting._chosen, "connect", connecting._ORIGINAL)
    read_frames_whole()
    assert await kind_of_reader() == "FrameReader"
