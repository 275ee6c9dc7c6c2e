"""``footfall watch``: the sink as a table that fills while you look."""

import asyncio

import typer
from rich.live import Live

from pipeline.cli.show import console
from pipeline.kafka.reader import follow
from pipeline.preflight import require_broker
from pipeline.settings import Settings, load_settings
from pipeline.sink import SinkView
from schemas.topics import topic_name

__all__ = ["watch"]


def watch(
    rows: int = typer.Option(30, min=1, help="Companies to show."),
    once: bool = typer.Option(False, "--once", help="Show what is there and end."),
) -> None:
    """Show companies by chats, messages, prompts and active users, live from the sink."""
    asyncio.run(_watch(load_settings(), rows, once))


async def _watch(settings: Settings, rows: int, once: bool) -> None:
    brokers = await require_broker(settings)
    topic = topic_name(settings.topic_prefix, "aggregates")
    view = SinkView(topic)
    with Live(view.table(rows), console=console, refresh_per_second=4) as live:
        async for batch in follow(brokers, topic, whole=once):
            view.apply(batch)
            live.update(view.table(rows))
