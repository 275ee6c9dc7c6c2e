"""``footfall audit``: proves a finished period from the books in one line, or says what keeps it from being proven."""

import asyncio
import datetime as dt
import json
import re
import time

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.show import bar, console
from pipeline.errors import StartupError
from pipeline.kafka.connection import Where
from pipeline.kafka.reader import ends, read_topic
from pipeline.preflight import require_broker, require_topics
from pipeline.printable import printable
from pipeline.proof.audit.findings import Finding
from pipeline.proof.audit.reading import read_partitions
from pipeline.proof.audit.verdict import Audit, Partition, Unfinished, against_raw, conclude
from pipeline.proof.judgement import known_keys, oracle_of
from pipeline.settings.settings import Settings, load_settings
from schemas.times import instant
from schemas.topics import topic_name

__all__ = ["audit", "show_findings"]

_SHOWN = 50


def audit(
    begin: str | None = typer.Option(None, "--from", help="First hour, UTC; default: where the books begin."),
    until: str | None = typer.Option(
        None, "--to", help="Hour before which the period ends, UTC; default: up to where all partitions are closed."
    ),
    expect: str | None = typer.Option(None, "--expect", help="The head of a line kept before; exit 1 if it differs."),
    raw: bool = typer.Option(
        False, "--against-raw", help="Also judge the raw topic again, which must still reach back to its start."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object in place of line and tables."),
) -> None:
    """Prove a finished period from the books: one line, the same whenever and wherever it is asked for.

    Hours are those of append time: 2026-11-01, 2026-11-01T10 or 2026-11-01T10:00:00Z. Exit 1 where the period is not
    finished or not proven. Nothing is written.

    Example: footfall audit --from 2026-11-01 --to 2026-12-01
    """
    settings = load_settings()
    start, end = _hour("--from", begin), _hour("--to", until)
    if start is not None and end is not None and start >= end:
        raise StartupError(f"--from {begin} is not before --to {until}", "give a period of one hour or more")
    if end is not None and end > time.time() * 1000:
        raise StartupError(f"--to {until} has not passed yet", "leave it out, or give an hour that has")
    if expect is not None and not re.fullmatch("[0-9a-f]{64}", expect):
        raise StartupError("--expect is no head", "give the 64 hexadecimal digits that end the line of the audit")
    found = asyncio.run(_audit(settings, start, end, expect, against=raw))
    if as_json:
        typer.echo(json.dumps(_as_json(found)))
    else:
        _show(found)
    raise typer.Exit(0 if found.proven else 1)


def _hour(option: str, text: str | None) -> int | None:
    """An hour in ms; the offset of a full time must be UTC."""
    if text is None:
        return None
    form = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::00(?::00)?)?(?:Z|\+00:00)?)?", text)
    try:
        if form is None:
            raise ValueError
        moment = dt.datetime.fromisoformat(f"{form[1]}T{form[2] or '00'}:00:00+00:00")
        milliseconds = int(moment.timestamp()) * 1000
        if milliseconds < 0:
            raise ValueError
    except ValueError:
        raise StartupError(
            f"{option} {text[:40]!r} is no hour", "give a UTC hour such as 2026-11-01, or 2026-11-01T10:00:00Z"
        ) from None
    return milliseconds


async def _audit(settings: Settings, start: int | None, end: int | None, expect: str | None, *, against: bool) -> Audit:
    where = await require_broker(settings)
    await require_topics(settings)
    raw = topic_name(settings.topic_prefix, "raw")
    if against:
        short = [number for number, (first, _) in (await ends(where, raw)).items() if first]
        if short:
            raise StartupError(
                f"{raw} no longer reaches back to its start in partition {short[0]}", "leave out --against-raw"
            )
    with bar("reading the books", to_stderr=True) as report:
        partitions = await read_partitions(settings, report, keep_digests=against)
    found = conclude(settings.topic_prefix, partitions, start, end, expect)
    if against and found.start >= 0:
        found.findings += await _judged(settings, where, found, partitions)
    return found


async def _judged(settings: Settings, where: Where, found: Audit, partitions: list[Partition]) -> list[Finding]:
    with bar("reading raw", to_stderr=True) as report:
        records = await read_topic(where, topic_name(settings.topic_prefix, "raw"), report)
    keys = await known_keys(settings, "audit --against-raw")
    with bar("judging raw", to_stderr=True) as report:
        expected = await oracle_of(settings, records, report, keys=keys)
    return against_raw(found, partitions, expected.ledger)


def _as_json(found: Audit) -> dict[str, object]:
    has_period = found.start >= 0
    return {
        "proven": found.proven,
        "line": found.line if found.proven else None,
        "from": instant(found.start) if has_period else None,
        "to": instant(found.end) if has_period else None,
        "prefix": found.prefix,
        "partitions": found.partitions,
        "hours": found.hours,
        "entries": found.entries,
        "received": found.received,
        "counted": found.counted,
        "duplicate": found.duplicate,
        "rejected": {reason.value: count for reason, count in sorted(found.rejected.items())},
        "corrections": found.corrections,
        "difference": found.difference,
        "begins": {str(partition): first for partition, first in sorted(found.begins.items())},
        "last_hours": {
            str(partition): {"hour": instant(hour), "hash": digest}
            for partition, (hour, digest) in sorted(found.last_hours.items())
        },
        "head": found.head or None,
        "unfinished": [each._asdict() | {"closed": _closed(each)} for each in found.unfinished],
        "findings": [
            each._asdict() | {"hour": None if each.hour is None else instant(each.hour)} for each in found.findings
        ],
    }


def _closed(each: Unfinished) -> str | None:
    return instant(each.closed) if each.closed >= 0 else None


def _show(found: Audit) -> None:
    if found.proven:
        typer.echo(found.line)
        return
    if found.unfinished:
        table = Table("partition", "closed up to", "why not further", title="not finished")
        for each in found.unfinished:
            table.add_row(str(each.partition), _closed(each) or "-", Text(printable(each.what)))
        console.print(table)
    if found.findings:
        show_findings(found.findings)
    typer.echo(_last_line(found))


def show_findings(findings: list[Finding]) -> None:
    """A table of the first of them."""
    table = Table(title=f"{len(findings):,} findings")
    for column in ("kind", "partition", "hour", "company", "what"):
        table.add_column(column, overflow="fold")
    for each in findings[:_SHOWN]:
        place = "-" if each.partition is None else str(each.partition)
        hour = "-" if each.hour is None else instant(each.hour)
        table.add_row(each.kind.value, place, hour, Text(printable(each.company or "-")), Text(printable(each.what)))
    if len(findings) > _SHOWN:
        table.add_row("…", "", "", "", f"{len(findings) - _SHOWN:,} more")
    console.print(table)


def _last_line(found: Audit) -> str:
    if found.findings:
        kinds = sorted({each.kind.value for each in found.findings})
        what = f" {found.period}" if found.start >= 0 else ""
        return f"not proven{what}: {len(found.findings):,} findings ({', '.join(kinds)})"
    if found.start < 0:
        if not found.unfinished:
            return "not finished: the books are empty and nothing has been received"
        return "not finished: no hour is closed in all partitions yet; one closes with the first record of a later hour"
    least = min(each.closed for each in found.unfinished)
    upto = f"; all are closed up to {instant(least)}" if least >= 0 else ""
    return f"not finished {found.period}: open in {len(found.unfinished)} of {found.partitions} partitions{upto}"
