"""``footfall simulate``: events of a seeded world, as lines or onto the raw topic."""

import asyncio
import sys
import time
from dataclasses import replace

import typer

from pipeline.cli.show import bar, console
from pipeline.preflight import require_broker, require_topics
from pipeline.settings.settings import Settings, load_settings
from pipeline.simulate import Plan, simulate
from pipeline.simulate.publish import publish

__all__ = ["command"]

_FIRST_END, _LAST_END = 950_000_000, 32_500_000_000
"""In the years whose times are counted, and the days before too."""


def command(
    events: int = typer.Option(10_000, min=1, help="First deliveries of events in all."),
    publish_them: bool = typer.Option(False, "--publish", help="Append them to the raw topic."),
    seed: int = typer.Option(1, help="The same seed and end give the same records."),
    companies: int = typer.Option(30, min=1, max=100_000),
    users: int = typer.Option(40, min=3, help="Of the largest company."),
    days: int = typer.Option(14, min=1, max=34, help="Over which the events fall."),
    end: float | None = typer.Option(
        None, min=_FIRST_END, max=_LAST_END, help="Time of the last event, seconds since 1970; default: now."
    ),
    duplicates: float = typer.Option(0.02, min=0, max=1, help="Share of records delivered again."),
    late: float = typer.Option(0.01, min=0, max=1, help="Share of events that come late or with a wrong clock."),
    malformed: float = typer.Option(0.005, min=0, max=1, help="Share of records that do not keep to the form."),
    batches: float = typer.Option(0.02, min=0, max=1, help="Share of records that hold several events."),
    misplaced: float = typer.Option(0.01, min=0, max=1, help="Share of records in a wrong partition or without key."),
    pii_canaries: bool = typer.Option(False, "--pii-canaries", help="Plant recognisable personal data."),
    rate: float | None = typer.Option(None, min=1, help="Records a second at most, when publishing."),
) -> None:
    """Write events of simulated companies as NDJSON, or publish them.

    Workers that have been at work for five minutes have closed the months before the present one, so figures of those
    come as corrections.

    Example: footfall simulate --events 50000 --publish
    """
    settings = load_settings()
    last = int((time.time() if end is None else end) * 1000)
    plan = Plan(end=last, seed=seed, partitions=settings.partitions, catalogue=settings.deciding().catalogue)
    plan = replace(plan, events=events, companies=companies, users=users, days=days, pii_canaries=pii_canaries)
    plan = replace(plan, duplicates=duplicates, late=late, malformed=malformed, batches=batches, misplaced=misplaced)
    if publish_them:
        count = asyncio.run(_publish(settings, plan, rate))
        console.print(f"published {count:,} records; footfall watch shows the figures as they come")
        return
    for record in simulate(plan):
        sys.stdout.buffer.write(record.value + b"\n")


async def _publish(settings: Settings, plan: Plan, rate: float | None) -> int:
    await require_broker(settings)
    await require_topics(settings)
    with bar("publishing", to_stderr=True) as report:
        return await publish(settings, simulate(plan), rate=rate, progress=lambda done: report(done, plan.events))
