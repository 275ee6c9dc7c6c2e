"""``footfall watch``: the sink as a table that fills while you look."""

import asyncio

import typer
from rich.live import Live

from pipeline.cli.show import console
from pipeline.errors import StartupError
from pipeline.kafka.reader import follow
from pipeline.preflight import require_broker
from pipeline.proof.sink import COLUMNS, Columns, SinkView, own_columns
from pipeline.settings.settings import Settings, load_settings
from schemas.topics import topic_name

__all__ = ["watch"]


def watch(
    rows: int = typer.Option(30, min=1, help="Companies to show."),
    once: bool = typer.Option(False, "--once", help="Show what is there and end."),
    own: bool = typer.Option(False, "--own", help="Show the metrics of FOOTFALL_CATALOGUE."),
) -> None:
    """Show companies by chats, messages, prompts and active users, live from the sink."""
    settings = load_settings()
    columns = own_columns(settings.deciding().catalogue) if own else COLUMNS
    if not columns:
        raise StartupError(
            "no metric is declared beside the built-in ones", "set FOOTFALL_CATALOGUE, or leave --own out"
        )
    asyncio.run(_watch(settings, columns, rows, once))


async def _watch(settings: Settings, columns: Columns, rows: int, once: bool) -> None:
    brokers = await require_broker(settings)
    topic = topic_name(settings.topic_prefix, "aggregates")
    view = SinkView(topic, columns)
    with Live(view.table(rows), console=console, refresh_per_second=4) as live:
        async for batch in follow(brokers, topic, whole=once):
            view.apply(batch)
            live.update(view.table(rows))
