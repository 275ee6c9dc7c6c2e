"""The record of the clean topic: one chunk of a raw partition, in columns, without anything personal.

The bytes are MessagePack of :class:`CleanChunk` as an array. Dictionaries hold each company, shape and
pseudonym once; the columns, one entry a counted event in raw order, index into them.
"""

import msgspec

__all__ = ["CLEAN_VERSION", "CleanChunk", "Shape", "decode_chunk", "encode_chunk"]

CLEAN_VERSION = 1


class Shape(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event type with its allowed values in catalogue order."""

    type: str
    values: tuple[str, ...]


class CleanChunk(msgspec.Struct, array_like=True, gc=False):
    """One folded raw range ``first``..``last`` (offsets, inclusive).

    ``event_watermark`` and ``closing_watermark`` are those after the range, ``digest`` the fold digest in
    force after it, all times milliseconds since 1970 UTC, -1 where there is none yet. Column ``closings``
    is the closing watermark *before* the event's record, which tells whether its windows were closed.
    ``user`` is -1 where the event carries none.
    """

    version: int
    first: int
    last: int
    event_watermark: int
    closing_watermark: int
    digest: str
    companies: list[str]
    shapes: list[Shape]
    users: list[bytes]
    sources: list[bytes]
    offsets: list[int]
    times: list[int]
    closings: list[int]
    company: list[int]
    shape: list[int]
    user: list[int]
    source: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CleanChunk)


def encode_chunk(chunk: CleanChunk) -> bytes:
    """The bytes of ``chunk``, the same for equal chunks."""
    return _encoder.encode(chunk)


def decode_chunk(data: bytes) -> CleanChunk:
    """The chunk in ``data``; raises :class:`msgspec.MsgspecError` where it is none."""
    return _decoder.decode(data)
