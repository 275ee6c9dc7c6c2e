"""Decompression to a bound: neither a size that the bytes tell nor the size they come to is trusted (ADR 0018)."""

import struct
import sys
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import cramjam
import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MOST_BYTES", "UnreadableError", "decompressed", "zstd"]

MOST_BYTES: Final = 16 << 20
"""Of the records of one batch, uncompressed."""
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_GZIP_WINDOW: Final = 31
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_FIRST: Final = struct.pack(">ii", 1, 1)
"""Version, and the least one that can read it."""
_XERIAL_HEADER: Final = len(_XERIAL) + len(_XERIAL_FIRST)
_WORD: Final = 4


class UnreadableError(Exception):
    """Bytes that are not as Kafka's format says, or more than the bound; it holds nothing of them."""


class _Decoder(Protocol):
    """What the standard library's decoders have, and those made like them."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_DECODERS: Final[dict[int, Callable[[], _Decoder]]] = {
    _GZIP: lambda: zlib.decompressobj(_GZIP_WINDOW),
    _LZ4: lz4.frame.LZ4FrameDecompressor,
    _ZSTD: zstd.ZstdDecompressor,
}


def decompressed(codec: int, data: bytes) -> bytes:
    """The records in ``data``, one whole frame of the codec that attributes number ``codec``.

    Raises :class:`UnreadableError` where it is another, one cut short, one with anything behind it, or holds more than
    :data:`MOST_BYTES`; no more than that is ever made of it.
    """
    if codec == _SNAPPY:
        return _snappy(data)
    if codec not in _DECODERS:
        raise UnreadableError
    decoder = _DECODERS[codec]()
    try:
        found = decoder.decompress(data, MOST_BYTES + 1)
    except (zlib.error, zstd.ZstdError, RuntimeError):  # the last is lz4's
        raise UnreadableError from None
    if not decoder.eof or decoder.unused_data or len(found) > MOST_BYTES:
        raise UnreadableError
    return found


def _snappy(data: bytes) -> bytes:
    """A block alone, or blocks in the framing of its Java library."""
    if not data.startswith(_XERIAL):
        return _snappy_block(data, MOST_BYTES)
    if data[len(_XERIAL) : _XERIAL_HEADER] != _XERIAL_FIRST:
        raise UnreadableError
    found, at, left = [], _XERIAL_HEADER, MOST_BYTES
    while at < len(data):
        end = at + _WORD + int.from_bytes(data[at : at + _WORD], signed=True)
        if not at + _WORD < end <= len(data):
            raise UnreadableError
        found.append(_snappy_block(data[at + _WORD : end], left))
        left -= len(found[-1])
        at = end
    return b"".join(found)


def _snappy_block(data: bytes, most: int) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(data) > most:
            raise UnreadableError
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError:
        raise UnreadableError from None
