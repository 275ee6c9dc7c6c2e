"""How rows are cut into batches: whatever they are made of, each batch is one that its topic takes."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from agents.core.shared.records import RawRecord
from pipeline.kafka.appender import BATCH_BYTES, OUTPUT_BATCH_BYTES, Appender, Rows
from pipeline.worker import raw_owner
from schemas.limits import MAX_RECORD_BYTES
from schemas.topics import TOPICS
from tests.core.test_fast_path import NEEDS_COMPILER, fetched

RAW_BYTES = int(TOPICS["raw"].config["max.message.bytes"])
_CHOOSE = random.Random(1)
MANY = 100_000
"""Headers of a record at most that can be read."""


def cut(rows: Rows, batch_bytes: int = OUTPUT_BATCH_BYTES) -> list[tuple[int, int]]:
    """Bytes, as a broker counts them, and records of each batch."""

    async def made() -> list[tuple[int, int]]:
        found = []
        batch: Any
        for batch, count in Appender("localhost:1", lambda: True)._batches("t", rows, batch_bytes):
            batch.close()
            found.append((len(batch._build()), count))
        return found

    return asyncio.run(made())


def noise(size: int) -> bytes:
    """Bytes that no codec makes smaller, others each time."""
    return _CHOOSE.randbytes(size)


LARGE = MAX_RECORD_BYTES - 200
HEADERS: dict[str, Callable[[], list[tuple[str, bytes | None]]]] = {
    "one header": lambda: [("h", noise(LARGE))],
    "a long name": lambda: [(noise(LARGE // 2).hex(), b"")],
    "many headers": lambda: [(f"{number:x}", noise(5)) for number in range(90_000)],
    "empty names": lambda: [("", None if number % 3 else b"") for number in range(MANY)],
    "short values": lambda: [("", noise(9 + number % 2)) for number in range(MANY)],
}


@pytest.mark.parametrize("name", HEADERS)
def test_misplaced_records_of_large_headers_go_in_batches_that_raw_takes(name: str) -> None:
    found = cut([(b"acme", b"{}", HEADERS[name]()) for _ in range(3)])
    assert sum(count for _, count in found) == 3
    assert max(size for size, _ in found) < RAW_BYTES


def test_small_records_share_a_batch() -> None:
    assert [count for _, count in cut([(b"k", b"v", [("h", b"v")])] * 100)] == [100]


def test_no_batch_is_larger_than_was_asked_for() -> None:
    choose = random.Random(1)
    rows = [
        (
            noise(choose.randrange(100)),
            noise(choose.randrange(9000)),
            [("h" * choose.randrange(50), noise(choose.randrange(9000)))],
        )
        for _ in range(1000)
    ]
    found = cut(rows, 100_000)
    assert sum(count for _, count in found) == 1000
    assert max(size for size, _ in found) <= 100_000
    assert [count for _, count in cut(rows, BATCH_BYTES)] == [1000]


def test_a_chunk_is_cut_by_headers_and_keys_too() -> None:
    heavy = RawRecord(0, 0, b"acme", b"{}", (("h", noise(900_000)),))
    keyed = RawRecord(0, 0, noise(900_000), b"{}")
    assert raw_owner.fitting([heavy] * 10) == 4
    assert raw_owner.fitting([keyed] * 10) == 4
    assert raw_owner.fitting([RawRecord(0, 0, b"acme", b"{}", (("h", noise(9_000_000)),))] * 2) == 1


@NEEDS_COMPILER
def test_both_forms_of_records_are_cut_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def part(most: int) -> bytes | None:
        return None if _CHOOSE.random() < 0.1 else noise(_CHOOSE.randrange(most))

    records = [
        RawRecord(offset, 0, part(100), part(400), tuple([("h" * part, noise(part)) for part in range(offset % 7)]))
        for offset in range(300)
    ]
    for size in (0, 1, 300, 3000, 30_000, 10**9):
        monkeypatch.setattr(raw_owner, "_CHUNK_BYTES", size)
        assert raw_owner.fitting(fetched(records)) == raw_owner.fitting(records)
