"""``footfall catalogue``: check a catalogue of one's own, show what counts, compare with what is in force."""

import asyncio
from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from pipeline.broker.digests import other_facts
from pipeline.cli.show import console
from pipeline.errors import StartupError
from pipeline.kafka.reader import LogReader
from pipeline.preflight import require_broker, require_topics
from pipeline.printable import printable
from pipeline.settings.catalogue import catalogue_text
from pipeline.settings.settings import Settings, load_settings
from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.difference import ChangeKind, changes
from schemas.catalogue.loading import CatalogueMistakesError, read_catalogue
from schemas.catalogue.metrics import Kind, Metric
from schemas.catalogue.types import EventType
from schemas.deciding import deciding_part

__all__ = ["app"]

app = typer.Typer(help="Event types and metrics of your own: check, show and compare them.", no_args_is_help=True)
_FILE = typer.Argument(metavar="FILE", help="A catalogue as FOOTFALL_CATALOGUE names one.")


@app.command()
def check(file: Path = _FILE) -> None:
    """Tell every mistake of a catalogue with its line and what to do; exit code 1 where there is one."""
    try:
        found = read_catalogue(catalogue_text(file))
    except CatalogueMistakesError as error:
        table = Table(box=SIMPLE, pad_edge=False)
        table.add_column("line", justify="right")
        table.add_column("mistake", overflow="fold")
        table.add_column("what to do", overflow="fold")
        for mistake in error.mistakes:
            table.add_row(str(mistake.line), Text(printable(mistake.what)), Text(printable(mistake.do)))
        console.print(table)
        raise typer.Exit(1) from None
    types, metrics = len(found.types) - len(BUILT_IN.types), len(found.metrics) - len(BUILT_IN.metrics)
    console.print(f"no mistake: {types} event types and {metrics} metrics beside the built-in ones", highlight=False)
    console.print(
        "next: footfall catalogue diff tells what it changes; set FOOTFALL_CATALOGUE to it, and announce it by"
        " footfall topics fold",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def show(own: bool = typer.Option(False, "--own", help="Only what is not built in.")) -> None:
    """Show the event types and metrics under these settings."""
    catalogue = load_settings().deciding().catalogue
    types, metrics = Table(title="event types", box=SIMPLE), Table(title="metrics", box=SIMPLE)
    for heading in ("type", "basis", "fields", "sent when"):
        types.add_column(heading, overflow="fold")
    for heading in ("metric", "kind", "of", "dimensions", "windows", "what it is"):
        metrics.add_column(heading, overflow="fold")
    for entry in catalogue.types.values():
        if not own or entry.name not in BUILT_IN.types:
            types.add_row(*map(Text, _type_row(entry)))
    for metric in catalogue.metrics.values():
        if not own or metric.name not in BUILT_IN.metrics:
            metrics.add_row(*map(Text, _metric_row(metric)))
    console.print(types)
    console.print(metrics)


@app.command()
def diff(file: Path = _FILE) -> None:
    """Compare a catalogue with the one under these settings; exit code 1 where a change would be refused.

    Where FOOTFALL_BROKERS is set, these settings must be the ones in force there.
    """
    settings, new = load_settings(), _read(file)
    if settings.brokers is not None:
        asyncio.run(_require_in_force(settings))
    found = list(changes(settings.deciding().catalogue, new))
    if not found:
        console.print("it is the catalogue under these settings")
        return
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("", "name", "change", "what to know"):
        table.add_column(heading, overflow="fold")
    for change in found:
        table.add_row(*map(Text, (change.what, change.name, change.kind.value, change.more)))
    console.print(table)
    if any(change.kind is ChangeKind.REFUSED for change in found):
        raise typer.Exit(1)


async def _require_in_force(settings: Settings) -> None:
    await require_broker(settings)
    await require_topics(settings)
    async with LogReader(settings.brokers or "") as reader:
        refused = await other_facts(reader, settings, deciding_part(settings.digest()))
    if refused is not None:
        raise refused


def _read(file: Path) -> Catalogue:
    try:
        return read_catalogue(catalogue_text(file))
    except CatalogueMistakesError as error:
        raise StartupError(f"the catalogue {file} has mistakes", "mend what footfall catalogue check tells") from error


def _type_row(entry: EventType) -> tuple[str, ...]:
    fields = [
        f"{field.name} {'|'.join(field.choices) or field.type.value}{'' if field.required else '?'}"
        for field in entry.fields
    ]
    basis = f"{entry.basis.value}{' (retired)' if entry.retired else ''}"
    return entry.name, basis, ", ".join(fields), entry.title


def _metric_row(metric: Metric) -> tuple[str, ...]:
    of = metric.event_type or "every event of a user"
    if metric.field is not None:
        of += f" {metric.field}" + ("" if metric.unit == "1" else f" ({metric.unit})")
    if metric.where is not None:
        of += f" where {metric.where[0]} is {metric.where[1]}"
    kind = metric.kind.value if metric.kind is not Kind.DISTINCT or metric.distinct is None else metric.distinct.value
    windows = ", ".join(size.value for size in metric.windows)
    name = f"{metric.name}{' (retired)' if metric.retired else ''}"
    return name, kind, of, ", ".join(metric.dimensions), windows, metric.title
