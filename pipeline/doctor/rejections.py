"""What ``doctor`` finds among the rejections: what share of the last hour's events was not counted."""

import time
from collections import Counter
from typing import Final

from pipeline.broker.begun import known_chunk
from pipeline.doctor.findings import Finding, Verdict
from pipeline.kafka.reader import LogReader
from pipeline.settings.settings import Settings
from pipeline.unknown import known
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.topics import topic_name
from schemas.wire.rejections import decode_rejection

__all__ = ["rejections"]

_CHUNKS: Final = 50
"""Of a partition that are looked at, its last ones."""
_REJECTIONS: Final = 20_000
_NO_FAULT: Final = frozenset({Reason.DUPLICATE, Reason.NO_CONSENT})
_ATTACKS: Final = (Reason.FORGED_CONTROL, Reason.UNREADABLE)
"""What no client of good will writes."""
_WARNING_SHARE: Final = 0.05
_WRONG_SHARE: Final = 0.5
_FEW: Final = 10
"""Rejections that may be one producer's first try."""


async def rejections(settings: Settings, reader: LogReader) -> Finding:
    """What share of the last hour's events was rejected, by reason; duplicates and withheld consent are no fault."""
    since, counted, reasons = int(time.time() * 1000) - HOUR_MS, 0, Counter[Reason]()
    for partition in range(settings.partitions):
        events, begin = await _counted(settings, reader, partition, since)
        counted += events
        reasons += await _rejected(settings, reader, partition, begin)
    return judged(counted, reasons)


def judged(counted: int, reasons: Counter[Reason]) -> Finding:
    """The finding for so many counted events and rejections by reason."""
    faults = Counter({reason: count for reason, count in reasons.items() if reason not in _NO_FAULT})
    total = faults.total()
    if not total:
        return Finding("rejections", Verdict.FINE, f"none in the last hour, {counted:,} events counted")
    named = ", ".join(f"{reason.value} {count:,}" for reason, count in faults.most_common(3))
    text = f"{total:,} of {counted + total:,} events in the last hour ({named})"
    share = total / (counted + total)
    if share >= _WRONG_SHARE and total >= _FEW:
        return Finding("rejections", Verdict.WRONG, text, "mend the producer; footfall rejected shows the last ones")
    if any(faults[reason] for reason in _ATTACKS):
        return Finding("rejections", Verdict.WARNING, text, "find out who writes to raw what no client writes")
    if share >= _WARNING_SHARE:
        return Finding("rejections", Verdict.WARNING, text, "look at footfall rejected")
    return Finding("rejections", Verdict.FINE, text)


async def _counted(settings: Settings, reader: LogReader, partition: int, since: int) -> tuple[int, int]:
    """Events in the last chunks of the last hour, and the time (ms) of the first of these chunks."""
    topic = topic_name(settings.topic_prefix, "clean")
    found = await reader.first_after(topic, partition, since)
    if found is None:
        return 0, since
    end, events, begin = await reader.end(topic, partition), 0, since
    start = max(found[0], end - _CHUNKS)
    async for records in reader.records(topic, partition, start, end):
        for record in records:
            if start > found[0] and begin == since:
                begin = int(record.append_time)
            events += len(known_chunk(record.value, topic, partition, record.offset).offsets)
    return events, begin


async def _rejected(settings: Settings, reader: LogReader, partition: int, begin: int) -> Counter[Reason]:
    topic = topic_name(settings.topic_prefix, "rejected")
    found = await reader.first_after(topic, partition, begin)
    reasons: Counter[Reason] = Counter()
    if found is None:
        return reasons
    end = await reader.end(topic, partition)
    async for records in reader.records(topic, partition, max(found[0], end - _REJECTIONS), end):
        for record in records:
            each = known(decode_rejection, record.value, topic, partition, record.offset)
            reasons[each.reason] += 1 + (each.more or 0)
    return reasons
