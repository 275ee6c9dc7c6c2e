"""What ``doctor`` finds at the brokers before any worker starts: topics, replicas, clock, rights."""

import time
from collections.abc import Iterator
from typing import Final

from pipeline.broker.rights import Right, group_of, topic_rights
from pipeline.doctor.findings import Finding, Verdict
from pipeline.kafka.reader import LogReader
from pipeline.preflight import replication_warning, require_topics
from pipeline.settings import Settings
from schemas.topics import TOPICS, topic_name

__all__ = ["clock", "replication", "rights", "topics"]

_CLOCK_MS: Final = 60_000
"""How far a broker's clock may run ahead of this one before it is worth a word."""
_WORKERS: Final = ("anonymize", "aggregate")


async def topics(settings: Settings) -> Finding:
    """Whether the topics are as the table says; raises Refused where not."""
    await require_topics(settings)
    return Finding("topics", Verdict.FINE, "as the table says")


async def replication(settings: Settings) -> Finding:
    """Whether a lost disk may lose events."""
    warning = await replication_warning(settings)
    if warning is None:
        return Finding("replication", Verdict.FINE, "3 or more")
    return Finding("replication", Verdict.WARNING, warning, "use 3 brokers or more and FOOTFALL_REPLICATION=3")


async def clock(settings: Settings, reader: LogReader) -> Finding:
    """Whether a record was appended later than it is here; by its time alone, no record is read."""
    later = int(time.time() * 1000) + _CLOCK_MS
    topic = topic_name(settings.topic_prefix, "raw")
    for number in range(settings.partitions):
        if await reader.first_after(topic, number, later) is not None:
            return Finding(
                "clock",
                Verdict.WRONG,
                f"raw partition {number} has append times over a minute ahead of this machine",
                "set the clocks of the brokers and of this machine by NTP",
            )
    return Finding("clock", Verdict.FINE, "no append time lies ahead of this machine's")


async def rights(settings: Settings) -> Finding:
    """Whether this user may do what the workers do: with topics what the table says, with their groups read."""
    where = settings.connection()
    try:
        allowed = await topic_rights(where, [topic_name(settings.topic_prefix, short) for short in TOPICS])
        lacking = [
            f"{right.name.capitalize()} on topic {topic} for worker {worker}"
            for topic, right, worker in _needed(settings)
            if right not in allowed.get(topic, (right,))
        ]
        for worker in _WORKERS:
            group = f"{settings.topic_prefix}-{worker}"
            if Right.READ not in (await group_of(where, group)).rights:
                lacking.append(f"Read on group {group} for worker {worker}")
    except NotImplementedError:
        return Finding("rights", Verdict.SKIPPED, "these brokers do not tell what a user may do")
    if lacking:
        more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        mend = "grant it by an ACL; docs/topics.md names readers and writers of each topic"
        return Finding("rights", Verdict.WRONG, f"this user lacks {lacking[0]}{more}", mend)
    return Finding("rights", Verdict.FINE, "this user may read and write what both workers do")


def _needed(settings: Settings) -> Iterator[tuple[str, Right, str]]:
    for short, spec in TOPICS.items():
        for worker in _WORKERS:
            name = topic_name(settings.topic_prefix, short)
            if worker in spec.writers:
                yield name, Right.WRITE, worker
            if worker in spec.readers:
                yield name, Right.READ, worker
