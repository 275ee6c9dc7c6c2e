"""Batches that no client writes and that Apache Kafka 4.1 takes, by name, each with what is to come of it.

Tried by hand: of what else can be said wrong, brokers refuse other numbers of records than the last offset tells,
offsets of compressed records that are not 0, 1, 2 and so on, control batches, other formats and codecs, damaged frames.
"""

import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import cramjam
import lz4.frame

from pipeline.kafka.codecs import zstd
from pipeline.proof.oracle.homes import home_of
from tests.broker.bench import PARTITIONS
from tests.kafka_batches import CODECS, Batch, compress, record, varint, xerial

__all__ = ["BOMBS", "CASES", "COMPANIES", "Case", "Good", "without_compiler"]

Good = Callable[[int], bytes]
"""Makes a record that holds an event to be counted, given its offset after the batch's."""
COMPANIES: Final = {home_of(name.encode(), PARTITIONS): name for name in (f"acme{number}" for number in range(40))}
"""One at home in each partition."""
MIB: Final = 1 << 20
_ROOT: Final = Path(__file__).parents[1]
_GZIP, _SNAPPY, _LZ4, _ZSTD = (CODECS[name] for name in ("gzip", "snappy", "lz4", "zstd"))
_SKIPPED: Final = struct.pack("<II", 0x184D2A50, 4) + b"abcd"


class Case(NamedTuple):
    """``build`` makes the batch; ``verdicts`` are the offsets in it of records that are one, None: all of it is."""

    build: Callable[[Good], Batch]
    verdicts: tuple[int, ...] | None = None


def _batches() -> dict[str, Case]:
    """Wrong as a whole."""

    def of(*parts: Callable[[Good], bytes], codec: int = 0) -> Case:
        return Case(lambda good: Batch([part(good) for part in parts], codec))

    at = {delta: (lambda good, delta=delta: good(delta)) for delta in (-1, 0, 1, 2, 2**31 - 1)}
    found = {
        "offsets jump to the greatest": of(at[0], at[2**31 - 1]),
        "offsets jump by one": of(at[0], at[2]),
        "an offset twice": of(at[0], at[0]),
        "falling offsets": of(at[1], at[0]),
        "an offset below the base": of(at[-1], at[0]),
    }
    for name, codec in CODECS.items():
        found[f"an offset of 33 bits, {name}"] = of(
            lambda _: record(0, emitted_delta=b"\x80\x80\x80\x80\x10"), at[1], codec=codec
        )
        if codec:
            found[f"a length too short, {name}"] = of(lambda _: record(0, b"k", b"{}", length=3), codec=codec)
            found[f"a negative length, {name}"] = of(lambda _: record(0, b"k", b"{}", length=-1), codec=codec)
            found[f"a length too long, {name}"] = of(lambda _: record(0, b"k", b"{}", length=300), codec=codec)
    return found


def _frames() -> dict[str, Case]:
    """Compressed otherwise than in one whole frame."""

    def of(codec: int, change: Callable[[bytes], bytes]) -> Case:
        return Case(lambda good: Batch(codec=codec, payload=change(good(0) + good(1)), count=2))

    def in_two(codec: int) -> Case:
        return of(codec, lambda data: compress(codec, data[:40]) + compress(codec, data[40:]))

    return {
        "a tail behind gzip": of(_GZIP, lambda data: compress(_GZIP, data) + b"xyz"),
        "zeros behind gzip": of(_GZIP, lambda data: compress(_GZIP, data) + bytes(8)),
        "gzip in two": in_two(_GZIP),
        "a tail behind lz4": of(_LZ4, lambda data: compress(_LZ4, data) + b"xyz"),
        "lz4 twice": of(_LZ4, lambda data: compress(_LZ4, data) * 2),
        "a tail behind snappy": of(_SNAPPY, lambda data: xerial(data) + b"xyz"),
        **{
            f"snappy in frames of version {version}, {least}": of(
                _SNAPPY, lambda data, version=version, least=least: xerial(data, version, least)
            )
            for version, least in ((2, 1), (1, 2), (0, 1), (2, 2), (1, 0))
        },
        "zstd in two": in_two(_ZSTD),
        "zstd and a frame cut in its head": of(_ZSTD, lambda data: compress(_ZSTD, data) + compress(_ZSTD, data)[:5]),
        "zstd and a frame cut short": of(_ZSTD, lambda data: compress(_ZSTD, data) + compress(_ZSTD, data)[:-9]),
        "zstd behind a skipped frame": of(_ZSTD, lambda data: _SKIPPED + compress(_ZSTD, data)),
        "zstd before a skipped frame": of(_ZSTD, lambda data: compress(_ZSTD, data) + _SKIPPED),
    }


def _records() -> dict[str, Case]:
    """Wrong inside one record, between two good ones."""
    wrong = {
        "a name that is not UTF-8": record(1, b"k", b"{}", [(b"\xff", b"v")]),
        "a name of a surrogate": record(1, b"k", b"{}", [(b"\xed\xa0\x80", b"v")]),
        "a key of length -2": record(1, None, b"{}", key_length=-2),
        "a value of length -2": record(1, b"k", None, value_length=-2),
        "a header of length -2": record(1, b"k", b"{}", [(b"a", None)], header_length=-2),
    }
    return {
        f"{what}, {name}": Case(lambda good, data=data, codec=codec: Batch([good(0), data, good(2)], codec), (1,))
        for what, data in wrong.items()
        for name, codec in CODECS.items()
    }


def _fine() -> dict[str, Case]:
    """Strange, and as the format says."""

    def strange(good: Good) -> bytes:
        """The attributes, behind a length of two bytes, are other than 0."""
        data = bytearray(good(0))
        data[2] = 0x9F
        return bytes(data)

    return {
        **{
            f"attributes of a record, {name}": Case(lambda good, codec=codec: Batch([strange(good)], codec), ())
            for name, codec in CODECS.items()
        },
        "unused attributes of a batch": Case(lambda good: Batch([good(0)], attributes=0x7F80), ()),
        "a mark of deletion": Case(lambda good: Batch([good(0)], attributes=0x40), ()),
        "snappy in small frames": Case(
            lambda good: Batch(codec=_SNAPPY, payload=xerial(good(0) + good(1), block=50), count=2), ()
        ),
    }


CASES: Final = {**_batches(), **_frames(), **_records(), **_fine()}


def _long(size: int) -> bytes:
    """How a record begins whose value of ``size`` zeros follows, without a header."""
    head = b"\x00\x00\x00" + varint(-1) + varint(size)
    return varint(len(head) + size + 1) + head


def _zstd_bomb(_: Good) -> Batch:
    made, size = zstd.ZstdCompressor(level=3), 2_000 * MIB
    parts = [made.compress(_long(size)), *(made.compress(bytes(16 * MIB)) for _ in range(size // (16 * MIB)))]
    return Batch(codec=_ZSTD, payload=b"".join(parts) + made.compress(b"\x00") + made.flush(), count=1)


def _bomb(codec: int, size: int) -> Case:
    return Case(lambda _: Batch(codec=codec, payload=_compressed(codec, _long(size) + bytes(size + 1)), count=1))


def _compressed(codec: int, data: bytes) -> bytes:
    if codec == _LZ4:
        return bytes(lz4.frame.compress(data, block_linked=False, block_size=lz4.frame.BLOCKSIZE_MAX4MB))
    return bytes(cramjam.snappy.compress_raw(data)) if codec == _SNAPPY else compress(codec, data)


BOMBS: Final = {
    "zstd, 2.1 GB": Case(_zstd_bomb),
    "gzip, 256 MB": _bomb(_GZIP, 256 * MIB),
    "lz4, 256 MB": _bomb(_LZ4, 256 * MIB),
    "snappy, 32 MB": _bomb(_SNAPPY, 32 * MIB),
}


def without_compiler() -> Mapping[str, str]:
    """What keeps a process from finding its compiled part."""
    return {"PYTHONPATH": f"{_ROOT / 'tests' / 'broker' / 'uncompiled'}{os.pathsep}{_ROOT}"}
