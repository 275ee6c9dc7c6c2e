"""Restoring a partition: the join of its changelog (design 2.1, rules 5, 6)."""

import time
from dataclasses import dataclass

from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.standby import Standby
from pipeline.kafka.reader import LogReader
from pipeline.unknown import readable

__all__ = ["Recovered", "joined_entry", "last_entry", "recover"]


@dataclass(slots=True)
class Recovered:
    """What bringing a join up to the end of its log came to; seconds of waiting for records, and of joining them."""

    end: int = 0
    records: int = 0
    reading: float = 0.0
    joining: float = 0.0


async def recover(reader: LogReader, topic: str, partition: int, standby: Standby) -> Recovered:
    """Bring ``standby`` up to the end of a changelog partition.

    One whose position is not in the log any more is begun anew, since what came between is lost to it.
    """
    mark = time.monotonic()
    first, end = await reader.bounds(topic, partition)
    found = Recovered(end)
    if not first <= standby.next <= end:
        standby.begin_anew()
    async for records in reader.records(topic, partition, max(first, standby.next), end):
        came = time.monotonic()
        with readable(topic, partition):
            standby.apply(records)
        found.reading, mark = found.reading + came - mark, time.monotonic()
        found.joining, found.records = found.joining + mark - came, found.records + len(records)
    found.reading += time.monotonic() - mark
    return found


async def last_entry(reader: LogReader, topic: str, partition: int) -> JoinedLog:
    """The last record of a changelog partition, which is the entry; all of it where that is not there any more."""
    joined = JoinedLog()
    first, end = await reader.bounds(topic, partition)
    async for records in reader.records(topic, partition, max(first, end - 1), end):
        for record in records:
            if record.key == ENTRY_KEY and record.value is not None:
                with readable(topic, partition, record.offset):
                    joined.apply(ENTRY_KEY, bytes(record.value))
    if end > first and joined.get(ENTRY_KEY) is None:
        return await joined_entry(reader, topic, partition)
    return joined


async def joined_entry(reader: LogReader, topic: str, partition: int) -> JoinedLog:
    """The join of all entries of a changelog partition, and one key of another kind where there are such alone."""
    joined = JoinedLog()
    first, end = await reader.bounds(topic, partition)
    async for records in reader.records(topic, partition, first, end):
        for record in records:
            if record.key == ENTRY_KEY or not len(joined):
                with readable(topic, partition, record.offset):
                    joined.apply(bytes(record.key or b""), None if record.value is None else bytes(record.value))
    if joined.get(ENTRY_KEY) is not None:
        joined.drop([key for key, _ in joined.items() if key != ENTRY_KEY])
    return joined
