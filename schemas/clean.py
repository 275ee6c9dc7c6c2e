"""The record of the clean topic: one chunk of a raw partition, in columns, without anything personal.

The bytes are MessagePack of :class:`CleanChunk` as an array of its fields. Dictionaries hold each company, shape and
pseudonym once; the columns, one entry a counted event in raw order, index into them.
"""

import msgspec

from schemas.columns import Column, pack, unpack

__all__ = ["CLEAN_VERSION", "CleanChunk", "OtherVersionError", "Shape", "decode_chunk", "encode_chunk"]

CLEAN_VERSION = 2
"""Raised where the fields of a chunk change; version 1 was written by fold version 2 and earlier ones."""


class OtherVersionError(msgspec.MsgspecError):
    """A chunk of another version than this release writes."""

    def __init__(self, version: int) -> None:
        super().__init__(f"a clean chunk of version {version}, not {CLEAN_VERSION}")
        self.version = version


class Shape(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event type with its allowed values in catalogue order."""

    type: str
    values: tuple[str, ...]


class CleanChunk(msgspec.Struct, gc=False):
    """One folded raw range ``first``..``last`` (offsets, inclusive).

    ``event_watermark`` and ``closing_watermark`` are those after the range, ``digest`` the fold digest in
    force after it and ``number`` the control records that have taken effect up to there, all times
    milliseconds since 1970 UTC, -1 where there is none yet. A control record that takes effect is a chunk of
    its own. Column ``closings`` is the closing watermark *before* the event's record, which tells whether its
    windows were closed. ``user`` is -1 where the event carries none.
    """

    version: int
    first: int
    last: int
    event_watermark: int
    closing_watermark: int
    digest: str
    number: int
    companies: list[str]
    shapes: list[Shape]
    users: list[bytes]
    sources: list[bytes]
    offsets: Column
    times: Column
    closings: Column
    company: Column
    shape: Column
    user: Column
    source: Column


class _Wire(msgspec.Struct, array_like=True, gc=False):
    """A chunk whose columns are still the bytes that stand for them."""

    version: int
    first: int
    last: int
    event_watermark: int
    closing_watermark: int
    digest: str
    number: int
    companies: list[str]
    shapes: list[Shape]
    users: list[bytes]
    sources: list[bytes]
    offsets: msgspec.Raw
    times: msgspec.Raw
    closings: msgspec.Raw
    company: msgspec.Raw
    shape: msgspec.Raw
    user: msgspec.Raw
    source: msgspec.Raw


class _Version(msgspec.Struct, array_like=True, gc=False):
    """The first field of a chunk of any version."""

    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)
_version = msgspec.msgpack.Decoder(_Version)
_COLUMNS = 7
"""The last fields of a chunk."""


def encode_chunk(chunk: CleanChunk) -> bytes:
    """The bytes of ``chunk``, the same for equal chunks."""
    fields = msgspec.structs.astuple(chunk)
    columns = [msgspec.Raw(pack(column)) for column in fields[-_COLUMNS:]]
    return _encoder.encode(_Wire(*fields[:-_COLUMNS], *columns))


def decode_chunk(data: bytes) -> CleanChunk:
    """The chunk in ``data``; raises :class:`OtherVersionError`, or :class:`msgspec.MsgspecError` where it is none."""
    try:
        fields = msgspec.structs.astuple(_decoder.decode(data))
    except msgspec.MsgspecError:
        version = _version.decode(data).version
        if version != CLEAN_VERSION:
            raise OtherVersionError(version) from None
        raise
    if fields[0] != CLEAN_VERSION:
        raise OtherVersionError(fields[0])
    return CleanChunk(*fields[:-_COLUMNS], *map(unpack, fields[-_COLUMNS:]))
