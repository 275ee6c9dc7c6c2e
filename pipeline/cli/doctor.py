"""``footfall doctor``: looks at settings, keys, broker, topics and clock, and says what to mend; it writes nothing."""

import asyncio
import os
import stat
import time
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from rich.table import Table

from agents.core.native import IS_BUILT
from pipeline.cli.show import console
from pipeline.errors import Refused
from pipeline.preflight import replication_warning, require_broker, require_topics
from pipeline.printable import printable
from pipeline.settings import Settings, load_settings
from schemas.topics import topic_name

__all__ = ["doctor"]

_CLOCK_MS: Final = 60_000
"""How far a broker's clock may run ahead of this one before it is worth a word."""


class Verdict(StrEnum):
    """What a check found; only ``WRONG`` fails the command."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "not checked"


_STYLES: Final = {
    Verdict.FINE: "green",
    Verdict.WARNING: "yellow",
    Verdict.WRONG: "bold red",
    Verdict.SKIPPED: "dim",
}


class Finding(NamedTuple):
    """One row of the report."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


def doctor() -> None:
    """Check settings, keys, broker, topics and clock; say what to mend. Exit code 1 where something is wrong."""
    findings = examine()
    table = Table("check", "verdict", "found", "what to do")
    for finding in findings:
        style = _STYLES[finding.verdict]
        table.add_row(finding.check, f"[{style}]{finding.verdict}[/]", _plain(finding.found), _plain(finding.mend))
    console.print(table)
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise typer.Exit(1)


def examine() -> list[Finding]:
    """Every check in order; what cannot be checked since an earlier one failed is said to be so."""
    try:
        settings = load_settings()
    except Refused as refusal:
        return [_wrong("settings", refusal)]
    local = [Finding("settings", Verdict.FINE, "all known and good"), _key(settings), _folder(settings.data_dir)]
    local.append(_compiled())
    return local + asyncio.run(_remote(settings))


def _compiled() -> Finding:
    if IS_BUILT:
        return Finding("compiled part", Verdict.FINE, "built")
    mend = "for full speed install a C compiler, then the package again"
    return Finding("compiled part", Verdict.WARNING, "not built: as exact, and slower", mend)


def _plain(text: str) -> str:
    return printable(text).replace("[", r"\[")


def _wrong(check: str, refusal: Refused) -> Finding:
    return Finding(check, Verdict.WRONG, refusal.what, refusal.do)


def _key(settings: Settings) -> Finding:
    try:
        secret = settings.pseudonym_secret()
    except Refused as refusal:
        return _wrong("pseudonym key", refusal)
    if secret is None:
        return Finding("pseudonym key", Verdict.FINE, "none, as worker aggregate wants it; worker anonymize needs one")
    path = settings.pseudonym_key_file
    if path is not None and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("pseudonym key", Verdict.WARNING, f"others may read {path}", f"run chmod 600 {path}")
    return Finding("pseudonym key", Verdict.FINE, "good; worker anonymize wants it, worker aggregate refuses it")


def _folder(folder: Path) -> Finding:
    """Whether the data folder, or the nearest folder above it that is there, can be written."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data folder", Verdict.FINE, str(folder))
    return Finding("data folder", Verdict.WRONG, f"{nearest} is not a writable folder", "mend it, or FOOTFALL_DATA_DIR")


async def _remote(settings: Settings) -> list[Finding]:
    skipped = [Finding(check, Verdict.SKIPPED, "") for check in ("topics", "replication", "clock")]
    try:
        brokers = await require_broker(settings)
    except Refused as refusal:
        return [_wrong("broker", refusal), *skipped]
    findings = [Finding("broker", Verdict.FINE, f"{brokers} answers")]
    try:
        await require_topics(settings)
    except Refused as refusal:
        return [*findings, _wrong("topics", refusal), *skipped[1:]]
    findings.append(Finding("topics", Verdict.FINE, "as the table says"))
    findings.append(await _replication(settings))
    findings.append(await _clock(settings, brokers))
    return findings


async def _replication(settings: Settings) -> Finding:
    try:
        warning = await replication_warning(settings)
    except Refused as refusal:
        return _wrong("replication", refusal)
    if warning is None:
        return Finding("replication", Verdict.FINE, "3 or more")
    return Finding("replication", Verdict.WARNING, warning, "use 3 brokers or more and FOOTFALL_REPLICATION=3")


async def _clock(settings: Settings, brokers: str) -> Finding:
    """Whether a record was appended later than it is here; by its time alone, no record is read."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, enable_auto_commit=False)
    later = int(time.time() * 1000) + _CLOCK_MS
    topic = topic_name(settings.topic_prefix, "raw")
    try:
        await consumer.start()
        try:
            found = await consumer.offsets_for_times(
                {TopicPartition(topic, number): later for number in range(settings.partitions)}
            )
        finally:
            await consumer.stop()
    except (KafkaError, TimeoutError) as error:
        return Finding(
            "clock", Verdict.WRONG, f"append times cannot be asked for ({type(error).__name__})", "try again"
        )
    ahead = [partition.partition for partition, place in found.items() if place is not None]
    if ahead:
        return Finding(
            "clock",
            Verdict.WRONG,
            f"raw partition {min(ahead)} has append times over a minute ahead of this machine",
            "set the clocks of the brokers and of this machine by NTP",
        )
    return Finding("clock", Verdict.FINE, "no append time lies ahead of this machine's")
