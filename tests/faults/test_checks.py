"""Each check of the records finds its planted fault, and nothing where nothing is wrong."""

import json
import struct
from pathlib import Path

import pytest

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle.homes import home_of
from tests.broker.load import CANARY, make_load
from tests.faults.checks import log_faults, producers, raw_faults, sink_faults, writer_of

PARTITIONS = 4
FIRST, SECOND = 11, 12
Said = tuple[int, str, int, int]
"""Revision, status, value, producer id of a sink record."""


def raw() -> tuple[list[StoredRecord], dict[bytes, int]]:
    """A raw topic as a load made it, misplaced records moved home once, and what was published."""
    records, published, moved = [], {}, 0
    for number, (partition, key, value) in enumerate(make_load(7, 400, PARTITIONS)):
        label = f"0/{number}".encode()
        published[label] = partition
        records.append(StoredRecord(partition, len(records), 0, key, value, (("load", label),)))
        if key is not None and home_of(key, PARTITIONS) != partition:
            records.append(records[-1]._replace(partition=home_of(key, PARTITIONS), offset=len(records)))
            moved += 1
    assert moved
    records.append(StoredRecord(0, len(records), 0, None, None, (("footfall-tick", b"1"),)))
    return records, published


def test_what_was_published_is_in_raw_once() -> None:
    records, published = raw()
    assert raw_faults(records, published, PARTITIONS) == []
    again = [*records, next(record for record in records if record.key != records[0].key)]
    assert "2 times" in raw_faults(again, published, PARTITIONS)[0]
    assert "0 times" in raw_faults(records[1:], published, PARTITIONS)[0]
    strange = records[0]._replace(headers=(("load", b"9/9"),))
    assert "never published" in raw_faults([*records, strange], published, PARTITIONS)[0]


def test_a_copy_lies_at_home_and_nowhere_else() -> None:
    records, published = raw()
    home = home_of(records[0].key or b"", PARTITIONS)
    astray = records[0]._replace(partition=(home + 1) % PARTITIONS)
    assert "not its home" in raw_faults([*records, astray], published, PARTITIONS)[0]


def faults(*said: Said, key: bytes | None = None) -> list[str]:
    records, writers = [], []
    for offset, (revision, status, value, producer) in enumerate(said):
        figure = {"id": "acme|x", "revision": revision, "status": status, "value": value, "watermark": str(offset)}
        records.append(StoredRecord(0, offset, 0, key or b"acme|x", json.dumps(figure).encode(), ()))
        writers.append(producer)
    return sink_faults(records, lambda _, offset: writers[offset])


def test_a_right_sink_passes_also_with_a_late_write_that_was_mended() -> None:
    assert not faults(
        (2, "provisional", 1, FIRST),
        (4, "provisional", 2, FIRST),
        (8, "provisional", 4, SECOND),
        (6, "provisional", 3, FIRST),
        (9, "final", 4, SECOND),
        (9, "final", 4, SECOND),
        (13, "corrected", 5, SECOND),
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([(4, "provisional", 2, FIRST), (2, "provisional", 1, SECOND)], "not the highest"),
        (
            [(4, "provisional", 2, FIRST), (2, "provisional", 1, FIRST), (4, "provisional", 2, FIRST)],
            "one writer went back",
        ),
        ([(4, "provisional", 2, FIRST), (4, "provisional", 3, FIRST)], "two different"),
        ([(5, "final", 2, FIRST), (7, "final", 3, FIRST)], "final 2, then final 3"),
        ([(5, "final", 2, FIRST), (6, "provisional", 3, FIRST)], "final 2, then provisional 3"),
        ([(5, "corrected", 2, FIRST), (7, "final", 2, FIRST)], "corrected 2, then final 2"),
        ([(5, "corrected", 2, FIRST), (6, "provisional", 2, FIRST)], "corrected 2, then provisional 2"),
    ],
)
def test_a_planted_fault_of_the_sink_is_found(said: list[Said], words: str) -> None:
    assert any(words in fault for fault in faults(*said))


def test_a_record_under_another_key_is_found() -> None:
    assert any("another key" in fault for fault in faults((2, "provisional", 1, FIRST), key=b"acme|y"))


def test_words_that_no_worker_may_say_are_found() -> None:
    assert not log_faults("footfall: cannot reach a broker")
    assert log_faults("footfall: events lost in m1.raw.v1")
    assert log_faults("Traceback (most recent call last):")
    assert CANARY not in "".join(log_faults(f"Traceback (most recent call last): {CANARY}"))


def batch(base: int, records: int, producer: int, filler: bytes = b"xyz") -> bytes:
    """The head of a record batch as Kafka stores it, and something behind."""
    body = struct.pack(">iBIhiqqqhii", 0, 2, 0, 0, records - 1, 0, 0, producer, 0, 0, records) + filler
    return struct.pack(">qi", base, len(body)) + body


def test_the_writers_are_read_from_the_brokers_own_files(tmp_path: Path) -> None:
    for node, batches in (
        (1, [batch(0, 2, FIRST)]),
        (2, [batch(0, 2, FIRST), batch(2, 1, SECOND, b""), batch(3, 1, -1)]),
    ):
        folder = tmp_path / str(node) / "topic-0"
        folder.mkdir(parents=True)
        (folder / "00.log").write_bytes(b"".join(batches) + bytes(100))  # room that is not yet used
    folders = [tmp_path / "1", tmp_path / "2", tmp_path / "3"]
    assert producers(folders, "topic", 0) == [(0, 1, FIRST), (2, 2, SECOND), (3, 3, -1)]
    writer = writer_of(folders, "topic", 1)
    assert [writer(0, offset) for offset in range(4)] == [FIRST, FIRST, SECOND, -1]
