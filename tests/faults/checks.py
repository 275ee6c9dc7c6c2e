"""What must hold of the records themselves, beside the figures: each check returns what is wrong, in words.

Revisions of an id do shrink over the sink's log, but in one case only: a former owner's write that was under way
when it lost its partition lands after its successor's. What holds without exception is that the revisions of an id
never shrink among the records of one writer (Kafka's producer id), that a record is a function of id and revision,
and that the last record of an id carries its highest revision, since whoever owns the partition then mends it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle.homes import home_of
from pipeline.proof.verify import last_is_highest

__all__ = ["Writer", "log_faults", "producers", "raw_faults", "sink_faults", "writer_of"]

Writer = Callable[[int, int], int]
"""Partition and offset to the producer id of the record there."""
_HEAD = 61
_LABEL = "load"


def raw_faults(raw: Iterable[StoredRecord], published: Mapping[bytes, int], partitions: int) -> list[str]:
    """Each published record (label to partition) is in raw exactly once, and beside it at most as a copy at home."""
    found: dict[bytes, Counter[int]] = defaultdict(Counter)
    faults = []
    for record in raw:
        label = next((value for name, value in record.headers if name == _LABEL), None)
        if label is None:
            continue
        if label not in published:
            faults.append(f"{label!r} was never published")
        elif record.partition != published[label] and record.partition != home_of(record.key or b"", partitions):
            faults.append(f"{label!r} was moved to partition {record.partition}, which is not its home")
        found[label][record.partition] += 1
    for label, partition in published.items():
        if found[label][partition] != 1:
            faults.append(f"{label!r} is {found[label][partition]} times in raw")
    return faults


def sink_faults(sink: Iterable[StoredRecord], writer: Writer) -> list[str]:
    """Revisions and statuses over the whole log of the sink, in order of partition and offset."""
    records = [*sink]
    by_id: dict[str, dict[int, Any]] = defaultdict(dict)
    by_writer: dict[tuple[str, int], int] = {}
    faults = [f"{identity}: the last record is not the highest revision" for identity in last_is_highest(records)]
    for record in records:
        figure = json.loads(record.value or b"")
        identity, revision = figure["id"], figure["revision"]
        if (record.key or b"").decode() != identity:
            faults.append(f"{identity} lies under another key")
        wrote = (identity, writer(record.partition, record.offset))
        if revision < by_writer.get(wrote, -1):
            faults.append(f"{identity}: one writer went back to revision {revision}")
        by_writer[wrote] = revision
        del figure["watermark"]  # when it was emitted, which may be repeated later
        if by_id[identity].setdefault(revision, figure) != figure:
            faults.append(f"{identity}: revision {revision} stands for two different records")
    for identity, revisions in by_id.items():
        faults += _status_faults(identity, [figure for _, figure in sorted(revisions.items())])
    return faults


def _status_faults(identity: str, figures: list[dict[str, Any]]) -> Iterator[str]:
    """In order of revision: provisional, then final or corrected; what is final changes as a correction alone."""
    for before, after in pairwise(figures):
        was, now = before["status"], after["status"]
        changed = after["value"] != before["value"]
        if was != "provisional" and now != "corrected" and (changed or now != was):
            yield f"{identity}: {was} {before['value']}, then {now} {after['value']}"


def log_faults(text: str) -> list[str]:
    """What no worker may say, whatever is done to its brokers: events are never lost, and nobody sees a traceback."""
    return [f"a worker said: {words}" for words in ("Traceback (most recent", "events lost") if words in text]


def producers(data: Iterable[Path], topic: str, partition: int) -> list[tuple[int, int, int]]:
    """(first offset, last offset, producer id) of every batch of a partition, read from a broker's own files.

    ``data`` are the data folders of brokers that hold it, of which the one that has most counts.
    """
    found: list[list[tuple[int, int, int]]] = [[]]
    for folder in data:
        segments = sorted((folder / f"{topic}-{partition}").glob("*.log"))
        found.append([batch for segment in segments for batch in _batches(segment.read_bytes())])
    return max(found, key=lambda batches: batches[-1][1] if batches else -1)


def _batches(log: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at + _HEAD <= len(log) and (length := int.from_bytes(log[at + 8 : at + 12], "big")):
        base = int.from_bytes(log[at : at + 8], "big")
        last = base + int.from_bytes(log[at + 23 : at + 27], "big")
        yield base, last, int.from_bytes(log[at + 43 : at + 51], "big", signed=True)
        at += 12 + length


def writer_of(data: Iterable[Path], topic: str, partitions: int) -> Writer:
    """The writers of a topic, by the files of the brokers."""
    folders = [*data]
    by_offset = {
        (number, offset): producer
        for number in range(partitions)
        for base, last, producer in producers(folders, topic, number)
        for offset in range(base, last + 1)
    }
    return lambda partition, offset: by_offset[partition, offset]
