"""Decompression: what honest clients write is read, whatever else there is is refused, and nothing is trusted."""

import contextlib
import resource
import struct
import zlib

import cramjam
import lz4.frame
import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from hypothesis import given
from hypothesis import strategies as st

from pipeline.kafka.codecs import MOST_BYTES, UnreadableError, decompressed, zstd
from tests.kafka_batches import CODECS, compress, xerial

GZIP, SNAPPY, LZ4, ZSTD = (CODECS[name] for name in ("gzip", "snappy", "lz4", "zstd"))
RECORDS = b"records " * 5000
MIB = 1 << 20


@pytest.mark.parametrize("data", [b"", b"x", RECORDS, bytes(MOST_BYTES)], ids=["none", "one", "many", "most"])
def test_what_clients_write_is_read(data: bytes) -> None:
    written = [
        (GZIP, gzip_encode(data)),
        (SNAPPY, snappy_encode(data)),
        (SNAPPY, bytes(snappy_encode(data, xerial_compatible=False))),
        (LZ4, lz4_encode(data)),
        (LZ4, bytes(lz4.frame.compress(data, content_checksum=True, block_linked=True, store_size=False))),
        (ZSTD, zstd_encode(data)),
        (ZSTD, zstd.compress(data, 19)),
    ]
    for codec, compressed in written:
        if codec == SNAPPY and not data and compressed[:1] == b"\x82":
            continue  # no client writes a frame without a block
        assert decompressed(codec, compressed) == data


WHOLE = {codec: compress(codec, RECORDS) for codec in (GZIP, SNAPPY, LZ4, ZSTD)}
SKIPPED = struct.pack("<II", 0x184D2A50, 4) + b"abcd"
WRONG = {
    **{f"{codec} cut": (codec, whole[:-1]) for codec, whole in WHOLE.items()},
    **{f"{codec} half": (codec, whole[: len(whole) // 2]) for codec, whole in WHOLE.items()},
    **{f"{codec} and a tail": (codec, whole + b"x") for codec, whole in WHOLE.items()},
    **{f"{codec} and zeros": (codec, whole + bytes(8)) for codec, whole in WHOLE.items()},
    **{f"{codec} twice": (codec, whole * 2) for codec, whole in WHOLE.items()},
    **{f"{codec} and half of another": (codec, whole + whole[:9]) for codec, whole in WHOLE.items()},
    **{f"{codec} nothing": (codec, b"") for codec in WHOLE},
    **{f"{codec} garbage": (codec, b"\x01\x02\x03garbage") for codec in WHOLE},
    **{f"{codec} too much": (codec, compress(codec, bytes(MOST_BYTES + 1))) for codec in WHOLE},
    **{f"codec {codec}": (codec, RECORDS) for codec in (0, 5, 6, 7)},
    "zstd behind a skipped frame": (ZSTD, SKIPPED + WHOLE[ZSTD]),
    "zstd before a skipped frame": (ZSTD, WHOLE[ZSTD] + SKIPPED),
    "lz4 behind a skipped frame": (LZ4, SKIPPED + WHOLE[LZ4]),
    "snappy that tells 4 GB": (SNAPPY, b"\xff\xff\xff\xff\x0f" + WHOLE[SNAPPY][2:]),
    "snappy that tells 16 MB": (SNAPPY, b"\x80\x80\x80\x08" + WHOLE[SNAPPY][3:]),
    "xerial cut": (SNAPPY, xerial(RECORDS)[:-1]),
    "xerial and a tail": (SNAPPY, xerial(RECORDS) + b"xyz"),
    "xerial twice": (SNAPPY, xerial(RECORDS) * 2),
    "xerial of another version": (SNAPPY, xerial(RECORDS, 2, 1)),
    "xerial for later readers": (SNAPPY, xerial(RECORDS, 1, 2)),
    "xerial of version 0": (SNAPPY, xerial(RECORDS, 0, 1)),
    "xerial, half a header": (SNAPPY, xerial(RECORDS)[:12]),
    "xerial, a negative block": (SNAPPY, xerial(b"")[:16] + struct.pack(">i", -4) + WHOLE[SNAPPY]),
    "xerial, a long block": (SNAPPY, xerial(b"")[:16] + struct.pack(">i", 2**31 - 1) + WHOLE[SNAPPY]),
    "xerial, an empty block": (SNAPPY, xerial(b"")[:16] + struct.pack(">i", 0)),
    "xerial, too much in all": (SNAPPY, xerial(bytes(MOST_BYTES + 1), block=MIB)),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(UnreadableError):
        decompressed(*WRONG[name])


@given(st.sampled_from([GZIP, SNAPPY, LZ4, ZSTD]), st.binary(max_size=60), st.integers(0, 40), st.binary(max_size=9))
def test_any_bytes_are_read_or_refused(codec: int, data: bytes, at: int, put: bytes) -> None:
    for given_as in (data, compress(codec, RECORDS)[:at] + put + compress(codec, RECORDS)[at + len(put) :]):
        with contextlib.suppress(UnreadableError):
            assert len(decompressed(codec, given_as)) <= MOST_BYTES


def bombs() -> dict[str, tuple[int, bytes]]:
    """Few bytes that come to 128 MB."""
    of_zstd = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    of_gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    large = bytes(16 * MIB)
    lz4_block = lz4.frame.compress(bytes(4 * MIB), block_size=lz4.frame.BLOCKSIZE_MAX4MB, store_size=False)
    return {
        "zstd": (ZSTD, b"".join(of_zstd.compress(large) for _ in range(8)) + of_zstd.flush()),
        "gzip": (GZIP, b"".join(of_gzip.compress(large) for _ in range(8)) + of_gzip.flush()),
        "lz4": (LZ4, lz4_block[:7] + lz4_block[7:-4] * 32 + bytes(4)),
        "snappy": (SNAPPY, xerial(b"")[:16] + _sized(bytes(cramjam.snappy.compress_raw(large))) * 8),
    }


def _sized(block: bytes) -> bytes:
    return struct.pack(">i", len(block)) + block


def test_bombs_take_no_more_memory_than_the_bound() -> None:
    made = bombs()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for codec, data in made.values():
        with pytest.raises(UnreadableError):
            decompressed(codec, data)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 4 * MOST_BYTES
