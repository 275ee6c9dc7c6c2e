"""``footfall oracle``, ``verify`` and ``rejected``: what the figures should be, whether they are, what was left out."""

import asyncio
import json
from collections import Counter, deque
from pathlib import Path

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.show import bar, console
from pipeline.kafka.reader import StoredRecord, follow, read_topic
from pipeline.preflight import require_broker, require_control, require_topics
from pipeline.printable import printable
from pipeline.proof.judgement import Judgement, judge, known_keys, oracle_of
from pipeline.proof.oracle.files import read_file
from pipeline.proof.verify import render
from pipeline.settings.settings import Settings, load_settings
from pipeline.unknown import known
from schemas.reasons import Reason
from schemas.topics import topic_name
from schemas.wire.rejections import Rejection, decode_rejection

__all__ = ["oracle", "rejected", "verify"]

_BALANCED = "final plus corrections is current"


def oracle(
    from_file: Path | None = typer.Option(
        None, "--from-file", help="NDJSON of {partition, offset, append_time, key, value} in place of the raw topic."
    ),
) -> None:
    """Print the aggregates that the raw topic must come to, one JSON a line, sorted by id.

    Computed offline by naive code that shares nothing with the agents but the schemas.
    Example: footfall oracle --from-file raw.ndjson
    """
    settings = load_settings()
    require_control(settings, "oracle")
    result = asyncio.run(_oracle(settings, from_file))
    for identity in sorted(result):
        typer.echo(json.dumps(result[identity]))


async def _oracle(settings: Settings, from_file: Path | None) -> dict[str, dict[str, object]]:
    keys = None
    if from_file is not None:
        records: list[StoredRecord] = read_file(from_file)
    else:
        brokers = await require_broker(settings)
        await require_topics(settings)
        keys = await known_keys(settings, "oracle")
        with bar("reading raw", to_stderr=True) as report:
            records = await read_topic(brokers, topic_name(settings.topic_prefix, "raw"), report)
    with bar("counting", to_stderr=True) as report:
        return (await oracle_of(settings, records, report, keys=keys)).figures


def verify(
    wait: float = typer.Option(0.0, min=0, help="Seconds to go on comparing until it is equal."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object in place of tables."),
) -> None:
    """Compare sink and rejected records with the oracle; exit 1 where they differ.

    Example: footfall verify --wait 30
    """
    settings = load_settings()
    require_control(settings, "verify")
    found = asyncio.run(_verify(settings, wait))
    if as_json:
        typer.echo(json.dumps(_as_json(found)))
    else:
        _show(found)
    raise typer.Exit(0 if found.equal else 1)


async def _verify(settings: Settings, wait: float) -> Judgement:
    await require_broker(settings)
    await require_topics(settings)
    with bar("reading raw", to_stderr=True) as report:
        return await judge(settings, report, wait=wait)


def _as_json(found: Judgement) -> dict[str, object]:
    return {
        "equal": found.equal,
        "figures": len(found.expected.figures),
        "counted": found.expected.counted,
        "rejected": {reason.value: count for reason, count in sorted(found.expected.by_reason.items())},
        "raw_grown": found.raw_grown,
        "differences": [each._asdict() for each in found.differences],
        "not_last": found.not_last,
        "rejections_missing": found.rejections_missing,
        "rejections_surplus": found.rejections_surplus,
        "ledger_wrong": found.ledger_wrong,
        "corrections": len(found.expected.corrections),
        "corrections_wrong": [each._asdict() for each in found.corrections_wrong],
    }


def _show(found: Judgement) -> None:
    for differences in filter(None, (found.differences, found.corrections_wrong)):
        console.print(render(differences))
    for identity in found.not_last[:20]:
        console.print(f"the last record of {printable(identity)} is not that of its highest revision", markup=False)
    if found.rejections_missing or found.rejections_surplus:
        console.print(f"rejected records: {found.rejections_missing:,} missing, {found.rejections_surplus:,} surplus")
    for page in found.ledger_wrong[:20]:
        console.print(f"the books of {printable(page)} are missing or not what they should be", markup=False)
    figures, events = len(found.expected.figures), found.expected.counted
    corrections, unlike = len(found.expected.corrections), len(found.corrections_wrong)
    console.print(f"corrections: {corrections:,} expected, {f'{unlike:,} differences' if unlike else _BALANCED}")
    if found.equal:
        console.print(f"equal: {figures:,} figures of {events:,} counted events")
    else:
        console.print(f"different: {len(found.differences):,} differences in {figures:,} expected figures")
        if found.raw_grown:
            console.print(
                f"raw has grown by {found.raw_grown:,} records since it was read, and differences may be of them:"
                " verify again with --wait, or when nothing is published"
            )


def rejected(
    reason: Reason | None = typer.Option(None, help="Only this reason."),
    company: str | None = typer.Option(None, help="Only this company."),
    limit: int = typer.Option(20, min=0, help="Of the last ones to show."),
    as_json: bool = typer.Option(False, "--json", help="The records as they are, one JSON a line."),
) -> None:
    """Show why events were not counted, by reason, and the last ones; never anything of their content.

    Example: footfall rejected --reason bad-field --limit 5
    """
    counts, last = asyncio.run(_rejected(load_settings(), reason, company, limit))
    if as_json:
        for each in last:
            typer.echo(json.dumps(msgspec.to_builtins(each)))
        return
    table = Table(title=f"{sum(counts.values()):,} rejected")
    table.add_column("reason")
    table.add_column("events", justify="right")
    for name, count in counts.most_common():
        table.add_row(name.value, f"{count:,}")
    console.print(table)
    if last:
        shown = Table(title=f"the last {len(last)}")
        for column in ("received", "partition", "offset", "reason", "path", "company", "source"):
            shown.add_column(column, overflow="fold")
        for each in last:
            place = (str(each.partition), str(each.offset))
            whose = Text(printable(each.company or "-"))
            shown.add_row(each.received, *place, each.reason.value, each.path, whose, each.source or "-")
        console.print(shown)


async def _rejected(
    settings: Settings, reason: Reason | None, company: str | None, limit: int
) -> tuple[Counter[Reason], deque[Rejection]]:
    brokers = await require_broker(settings)
    counts: Counter[Reason] = Counter()
    last: deque[Rejection] = deque(maxlen=limit)
    seen = set()
    topic = topic_name(settings.topic_prefix, "rejected")
    async for batch in follow(brokers, topic, whole=True):
        for record in batch:
            each = known(decode_rejection, record.value, topic, record.partition, record.offset)
            identity = (each.partition, each.offset, each.path, each.reason)
            if identity in seen or (reason and each.reason != reason) or (company and each.company != company):
                continue
            seen.add(identity)
            counts[each.reason] += 1
            last.append(each)
    return counts, last
