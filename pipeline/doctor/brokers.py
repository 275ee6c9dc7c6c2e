"""What ``doctor`` finds at the brokers before any worker starts: topics, replicas, clock, rights."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pipeline.broker.acls import group_name
from pipeline.broker.rights import Right, group_of, topic_rights
from pipeline.doctor.findings import Finding, Verdict
from pipeline.kafka.connection import Security
from pipeline.kafka.reader import LogReader
from pipeline.preflight import replication_warning, require_topics
from pipeline.settings.settings import Settings
from schemas.flow import OPERATOR, ROLES, STAGES
from schemas.topics import TOPICS, topic_name

__all__ = ["clock", "replication", "rights", "topics"]

_CLOCK_MS: Final = 60_000
"""How far a broker's clock may run ahead of this one before it is worth a word."""


async def topics(settings: Settings) -> Finding:
    """Whether the topics are as the table says; raises StartupError where not."""
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
    """Whether this user may do what both workers do, or one whose login is a role's own what that does."""
    where = settings.connection()
    try:
        allowed = await topic_rights(where, [topic_name(settings.topic_prefix, short) for short in TOPICS])
        groups = {name: (await group_of(where, name)).rights for name in _groups(settings)}
    except NotImplementedError:
        return Finding("rights", Verdict.SKIPPED, "these brokers do not tell what a user may do")
    lacking = {role: [*_lacking(role, settings, allowed, groups)] for role in (*STAGES, OPERATOR)}
    if not any(lacking[kind] for kind in STAGES):
        return Finding("rights", Verdict.FINE, "this user may read and write what both workers do")
    if settings.security() != Security() and (able := [role for role, lacks in lacking.items() if not lacks]):
        return Finding("rights", Verdict.FINE, f"this user may do what {able[0]} does, and not what others do")
    missing = [each for kind in STAGES for each in lacking[kind]]
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    mend = "grant it by an ACL; docs/topics.md names readers and writers of each topic"
    return Finding("rights", Verdict.WRONG, f"this user lacks {missing[0]}{more}", mend)


def _groups(settings: Settings) -> dict[str, str]:
    return {group_name(settings.topic_prefix, kind): kind for kind in STAGES}


def _lacking(
    role: str, settings: Settings, allowed: Mapping[str, Collection[Right]], groups: Mapping[str, Collection[Right]]
) -> Iterator[str]:
    who = f"for worker {role}" if role in STAGES else f"for {role}"
    for short in TOPICS:
        name = topic_name(settings.topic_prefix, short)
        for right, topics in ((Right.WRITE, ROLES[role].writes), (Right.READ, ROLES[role].reads)):
            if short in topics and right not in allowed.get(name, (right,)):
                yield f"{right.name.capitalize()} on topic {name} {who}"
    for name, kind in _groups(settings).items():
        right = Right.READ if kind == role else Right.DESCRIBE
        if role in {kind, OPERATOR} and right not in groups[name]:
            yield f"{right.name.capitalize()} on group {name} {who}"
