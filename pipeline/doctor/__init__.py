"""What ``footfall doctor`` looks at: this machine, the brokers, what a start looks at, and what is at work.

Everything is asked or read, nothing is written.
"""

from collections.abc import Callable

from aiokafka.errors import KafkaError

from pipeline.broker.topics import failed
from pipeline.doctor import brokers, rejections, running
from pipeline.doctor.findings import Finding, Verdict, found, wrong
from pipeline.doctor.local import local
from pipeline.errors import StartupError
from pipeline.kafka.reader import LogReader
from pipeline.preflight import Kind, require_broker
from pipeline.settings.settings import Settings
from pipeline.worker.run import look_around

__all__ = ["STILL_SECONDS", "Finding", "Verdict", "examine"]

STILL_SECONDS = running.STILL_SECONDS
Step = Callable[[int, int], None]
"""Called with (checks done, checks in all)."""


async def examine(
    settings: Settings, *, still: float = STILL_SECONDS, step: Step = lambda _done, _all: None
) -> list[Finding]:
    """Every check in order; what cannot be checked since an earlier one failed is said to be so.

    ``still`` is for how many seconds a partition with records left may stand; ``step`` tells of the way.
    """
    findings = local(settings)
    try:
        address = await require_broker(settings)
    except StartupError as refusal:
        return [*findings, wrong("broker", refusal), *_skipped(_AT_BROKERS)]
    findings.append(Finding("broker", Verdict.FINE, f"{address} answers"))
    topics = await found("topics", lambda: brokers.topics(settings))
    findings.append(topics)
    if topics.verdict is Verdict.WRONG:
        return [*findings, *_skipped(_AT_BROKERS[1:])]
    try:
        async with LogReader(address) as reader:
            looks = [
                ("replication", lambda: brokers.replication(settings)),
                ("clock", lambda: brokers.clock(settings, reader)),
                ("rights", lambda: brokers.rights(settings)),
                ("start of anonymize", lambda: _start(settings, "anonymize")),
                ("start of aggregate", lambda: _start(settings.without_keys(), "aggregate")),
                ("group anonymize", lambda: running.group(settings, "anonymize", reader, still)),
                ("group aggregate", lambda: running.group(settings, "aggregate", reader, still)),
                ("rejections", lambda: rejections.rejections(settings, reader)),
            ]
            for number, (check, look) in enumerate(looks):
                step(number, len(looks))
                findings.append(await found(check, look))
    except KafkaError as error:
        return [*findings, wrong("broker", failed("read from the brokers", error))]
    return findings + await running.workers(settings)


_AT_BROKERS = (
    "topics",
    "replication",
    "clock",
    "rights",
    "start of anonymize",
    "start of aggregate",
    "group anonymize",
    "group aggregate",
    "rejections",
    "workers",
)


def _skipped(checks: tuple[str, ...]) -> list[Finding]:
    return [Finding(check, Verdict.SKIPPED, "") for check in checks]


async def _start(settings: Settings, kind: Kind) -> Finding:
    """What a start of a worker with these settings looks at before it joins its group; raises as that."""
    check = f"start of {kind}"
    if kind == "anonymize" and settings.pseudonym_secret() is None:
        return Finding(check, Verdict.SKIPPED, "it needs the pseudonym key", "set FOOTFALL_PSEUDONYM_KEY_FILE")
    if kind == "anonymize" and settings.control_keys() is None:
        return Finding(check, Verdict.SKIPPED, "it needs the control key", "set FOOTFALL_CONTROL_KEY_FILE")
    await look_around(kind, settings)
    return Finding(check, Verdict.FINE, "its digest is in force and its positions lie in the logs")
