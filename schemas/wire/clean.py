"""The record of the clean topic: one chunk of a raw partition, in columns, without anything personal.

The bytes are MessagePack of :class:`CleanChunk` as an array of its fields. Dictionaries hold each company, shape and
pseudonym once; the columns, one entry a counted event in raw order, index into them. The last column holds the
measures: of each event as many as its shape says, one after the other.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from schemas.times import LAST_TIME
from schemas.wire.columns import Column, column, pack, unpack
from schemas.wire.forms import UNREADABLE, UnknownFormError

__all__ = [
    "CLEAN_VERSION",
    "CleanChunk",
    "OtherVersionError",
    "Shape",
    "decode_chunk",
    "encode_chunk",
    "measures_begin",
    "narrowed",
]

CLEAN_VERSION: Final = 3
"""Raised where the fields of a chunk change; version 1 was written by fold version 2 and earlier ones."""
_WITHOUT_MEASURES: Final = 2
"""The version before, which is still read: its shapes and chunks have no measures."""


_READ: Final = (_WITHOUT_MEASURES, CLEAN_VERSION)
_NONE: Final = msgspec.Raw(b"\x90")
"""Stands where a chunk ends before its measures."""


class OtherVersionError(UnknownFormError):
    """A chunk of another version than this release writes."""

    def __init__(self, version: int) -> None:
        super().__init__(f"a clean chunk of version {version}, not {CLEAN_VERSION}", version)


class Shape(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """An event type with its allowed values in catalogue order, and how many measures each of its events holds."""

    type: str
    values: tuple[str, ...]
    measures: int = 0


class CleanChunk(msgspec.Struct, gc=False):
    """One folded raw range ``first``..``last`` (offsets, inclusive).

    ``event_watermark`` and ``closing_watermark`` are those after the range, ``digest`` the fold digest in
    force after it and ``number`` the control records that have taken effect up to there, all times
    milliseconds since 1970 UTC, -1 where there is none yet. A control record that takes effect is a chunk of
    its own. Column ``closings`` is the closing watermark *before* the event's record, which tells whether its
    windows were closed. ``user`` is -1 where the event carries none. ``measures`` are in catalogue order: -1 where a
    field is absent, 0 or 1 of a flag.
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
    measures: Column = msgspec.field(default_factory=column)


class _Wire(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
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
    measures: msgspec.Raw = _NONE


class _Version(msgspec.Struct, array_like=True, gc=False):
    """The first field of a chunk of any version."""

    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)
_version = msgspec.msgpack.Decoder(_Version)
_ANY: Final = (-(2**63), 2**63 - 1)
_COLUMNS = 8
"""The last fields of a chunk."""


def encode_chunk(chunk: CleanChunk) -> bytes:
    """The bytes of ``chunk``, the same for equal chunks."""
    fields = msgspec.structs.astuple(chunk)
    columns = [msgspec.Raw(pack(column)) for column in fields[-_COLUMNS:]]
    return _encoder.encode(_Wire(*fields[:-_COLUMNS], *columns))


def decode_chunk(data: bytes) -> CleanChunk:
    """The chunk in ``data``; raises :class:`~schemas.wire.forms.UnknownFormError`, or OtherVersionError."""
    try:
        wire = _decoder.decode(data)
        fields = msgspec.structs.astuple(wire)
        columns = [unpack(column, *range_) for column, range_ in zip(fields[-_COLUMNS:], _ranges(wire), strict=True)]
    except UNREADABLE:
        if (version := _version_of(data)) not in _READ:
            raise OtherVersionError(version) from None
        raise UnknownFormError("a clean chunk has another shape") from None
    version = fields[0]
    if version not in _READ:
        raise OtherVersionError(version)
    if len(set(map(len, columns[:-1]))) != 1:
        raise UnknownFormError("a clean chunk has columns of different lengths")
    chunk = CleanChunk(*fields[:-_COLUMNS], *columns)
    measures = (measures_begin(chunk) or (0,))[-1]
    if (fields[-1] is _NONE) is (version == CLEAN_VERSION) or len(chunk.measures) != measures:
        raise UnknownFormError("a clean chunk has other measures than its shapes say")
    return chunk


def _ranges(wire: _Wire) -> Iterator[tuple[int, int]]:
    """The least and the greatest number of each column: what points into a dictionary points at something there."""
    yield from (_ANY, (0, LAST_TIME), _ANY)
    yield from ((0, len(wire.companies) - 1), (0, len(wire.shapes) - 1), (-1, len(wire.users) - 1))
    yield from ((0, len(wire.sources) - 1), _ANY)


def _version_of(data: bytes) -> int:
    try:
        return _version.decode(data).version
    except UNREADABLE:
        raise UnknownFormError("a record is no clean chunk") from None


def measures_begin(chunk: CleanChunk) -> Sequence[int]:
    """Where the measures of each event begin, and behind the last; empty where the chunk has none."""
    widths = [shape.measures for shape in chunk.shapes]
    if not any(widths):
        return ()
    return [*accumulate([widths[shape] for shape in chunk.shape], initial=0)]


def narrowed(chunk: CleanChunk, kept: Sequence[int]) -> CleanChunk:
    """The chunk with only the events of these indices, ascending."""
    names = msgspec.structs.fields(CleanChunk)[-_COLUMNS:-1]
    columns = {each.name: column(getattr(chunk, each.name)[at] for at in kept) for each in names}
    begins, measures = measures_begin(chunk), column()
    for at in kept if begins else ():
        measures.extend(chunk.measures[begins[at] : begins[at + 1]])
    return msgspec.structs.replace(chunk, **columns, measures=measures)
