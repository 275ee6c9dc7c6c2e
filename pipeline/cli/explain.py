"""``footfall explain ID``: how a figure came about, and nothing of who or what was behind it."""

import asyncio
import json
from contextlib import AbstractContextManager
from datetime import timedelta

import typer
from rich.table import Table
from rich.text import Text

from pipeline.cli.show import bar, console
from pipeline.kafka.reader import Progress
from pipeline.preflight import require_broker, require_control, require_topics
from pipeline.printable import printable
from pipeline.proof.explain.explanation import Explanation, Verdict
from pipeline.proof.explain.left_out import Source
from pipeline.proof.explain.making import merged
from pipeline.proof.explain.reading import UnknownFigureError, explain
from pipeline.proof.explain.wanted import Wanted, parse_id
from pipeline.settings.settings import Settings, load_settings
from schemas.reasons import Reason
from schemas.times import instant

__all__ = ["command", "in_short"]

_RUNS = 12


def command(
    identity: str = typer.Argument(
        metavar="ID", help="An aggregate id, in quotes: company|metric|window|start|dimensions."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object, with every range of raw offsets."),
) -> None:
    """Say how a figure came about: raw offsets, events counted and left out, corrections.

    It is counted again from clean and, while raw reaches back to its start, from raw. Exit 1 where that is not what
    the sink says, or where there is no such figure. Nothing is written.

    Example: footfall explain 'acme|prompts|PT1H|2026-11-01T10:00:00Z|assistant=a1,module=m2'
    """
    settings = load_settings()
    wanted = parse_id(identity, settings.deciding().catalogue)
    try:
        found = asyncio.run(_explain(settings, wanted))
    except UnknownFigureError as error:
        typer.echo(f"footfall: {printable(str(error))}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        _show(found)
    raise typer.Exit(0 if found.sound else 1)


async def _explain(settings: Settings, wanted: Wanted) -> Explanation:
    require_control(settings, "explain")
    await require_broker(settings)
    await require_topics(settings)
    return await explain(settings, wanted, _bar)


def _bar(title: str) -> AbstractContextManager[Progress]:
    return bar(title, to_stderr=True)


def in_short(found: Explanation) -> str:
    """One sentence: what the figure is made of."""
    making, left_out = found.making, found.left_out
    made = f"{making.events:,} events" if found.counts == "events" else f"{found.counts} of {making.events:,} events"
    parts = [made]
    if making.runs:
        parts.append(f"raw partition {found.partition} offsets {_span(found)}")
    if left_out.source is Source.RAW:
        parts.append(f"duplicates dropped {left_out.by_reason[Reason.DUPLICATE]:,}")
    parts.append(f"corrections {len(found.corrections):,}")
    return f"{found.wanted.id} = {found.figure['value']:,}: {', '.join(parts)}; counted again {_verdict(found)}"


def _span(found: Explanation) -> str:
    runs = found.making.runs
    return f"{runs[0].first:,} to {runs[-1].last:,}" if runs else "none"


def _verdict(found: Explanation) -> str:
    value, in_sink, making = found.making.value, found.figure["value"], found.making
    if found.verdict is Verdict.DIFFERENT:
        again = found.left_out.value
        raw = "" if again is None else f", from raw {again:,}"
        return f"{value:,} from clean{raw}, which is NOT the sink's {in_sink:,}"
    if found.verdict is Verdict.PARTLY:
        return f"from clean, which still has {value:,} of {in_sink:,}"
    from_raw = " and from raw" if found.left_out.value is not None else ""
    more = f"; {making.pending:,} more events are not in the sink yet" if making.pending else ""
    return f"from clean{from_raw}: equal{more}"


def _show(found: Explanation) -> None:
    figure, window, making = found.figure, found.figure["window"], found.making
    table = Table(title="figure", show_header=False)
    rows = {
        "id": found.wanted.id,
        "value": f"{figure['value']:,} {figure['status']}",
        "window": f"{window['start']} to {window['end']}",
        "last changed by": f"raw partition {found.partition} offset {making.through:,} (revision {figure['revision']})",
        "made of": f"{making.events:,} events"
        + ("" if found.counts == "events" else f", {making.value:,} {found.counts}"),
        "raw offsets": f"{_span(found)}, in {len(making.runs):,} ranges",
        "counted again": _verdict(found),
    }
    if not found.whole:
        since = "nothing is left of clean"
        if found.clean.first >= 0:
            since = f"to raw offset {found.clean.first:,}, {instant(found.clean.time)}"
        lost = f"; {found.clean.lost:,} raw offsets are in no chunk" if found.clean.lost else ""
        rows["clean reaches back"] = since + lost
    for name, text in rows.items():
        table.add_row(name, Text(printable(text)))
    console.print(table)
    _show_ranges(found)
    _show_left_out(found)
    _show_corrections(found)


def _show_ranges(found: Explanation) -> None:
    runs = found.making.runs
    if not runs:
        return
    near = "" if len(runs) <= _RUNS else ", near ones in one row; --json has each"
    table = Table(title=f"raw partition {found.partition}{near}")
    for column in ("first offset", "last offset", "events"):
        table.add_column(column, justify="right")
    for run in merged(runs, _RUNS):
        table.add_row(f"{run.first:,}", f"{run.last:,}", f"{run.events:,}")
    console.print(table)


def _show_left_out(found: Explanation) -> None:
    left_out = found.left_out
    if left_out.source is Source.RAW:
        what = "events that would be in this figure (exact, raw judged again)"
    elif left_out.hours is None:
        what = f"not known, {left_out.why} and the books have no closed hour of it"
    else:
        first, last = left_out.hours
        what = f"all events of {found.wanted.company} received in the hours {first} to {last} (books; {left_out.why})"
    known = left_out.source is Source.RAW or left_out.hours is not None
    console.print(Text(f"not counted: {printable(what)}" + (": none" if known and not left_out.by_reason else "")))
    if not left_out.by_reason:
        return
    table = Table()
    table.add_column("reason")
    table.add_column("events", justify="right")
    for reason, count in left_out.by_reason.most_common():
        table.add_row(reason.value, f"{count:,}")
    console.print(table)


def _show_corrections(found: Explanation) -> None:
    if not found.corrections:
        console.print("corrections: none")
        return
    title = "corrections" if found.balanced else "corrections, which do NOT come to the sink's value"
    table = Table(title=title)
    for column in ("written", "old", "new", "difference", "cause", "raw", "after the window"):
        table.add_column(column, overflow="fold")
    for each in found.corrections:
        correction, cause, late = each.correction, each.correction.cause, each.late(found.wanted)
        values = (f"{correction.old:,}", f"{correction.new:,}", f"{correction.difference:+,}")
        after = "-" if late is None else str(timedelta(seconds=late // 1000))
        place = f"{cause.partition} offset {cause.offset:,}"
        table.add_row(instant(each.time), *values, cause.kind.value, place, after)
    console.print(table)
