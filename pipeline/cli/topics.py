"""``footfall topics``: make the topics, compare them with the table, show them, tell the log of another fold."""

import asyncio

import typer
from rich.box import SIMPLE
from rich.table import Table

from pipeline.broker import digests, topics
from pipeline.cli.show import console
from pipeline.errors import StartupError
from pipeline.preflight import Keys, require_broker, require_control, require_topics
from pipeline.printable import printable
from pipeline.settings.settings import Settings, load_settings
from schemas.limits import DAY_MS
from schemas.topics import TOPICS, TopicSpec, topic_name

__all__ = ["app"]

app = typer.Typer(help="Make, compare and show the topics.", no_args_is_help=True)


@app.command()
def apply() -> None:
    """Make what is missing; what stands is left as it is, and named if it differs."""
    settings = load_settings()
    made = asyncio.run(topics.apply(settings))
    for name in made:
        console.print(f"made {name}", highlight=False)
    if not made:
        console.print("every topic stands already")
    asyncio.run(require_topics(settings))


@app.command()
def diff() -> None:
    """Compare the topics on the broker with the table; exit code 1 where they differ."""
    differences = asyncio.run(topics.diff(load_settings()))
    for difference in differences:
        console.print(printable(str(difference)), highlight=False, soft_wrap=True, markup=False)
    if differences:
        raise typer.Exit(1)
    console.print("the topics are as the table says")


@app.command()
def show() -> None:
    """Show the table, and where a broker is set what it has."""
    settings = load_settings()
    there = asyncio.run(topics.standing(settings)) if settings.brokers else None
    console.print(_table(settings, there))


@app.command()
def fold() -> None:
    """Announce these settings and this release: a control record for each raw partition that is under others.

    Run again it goes on where it was cut short, and appends nothing where everything is announced.
    """
    settings = load_settings()
    announced = asyncio.run(_fold(settings))
    if announced.before is None:
        message = "nothing is in force yet, nothing appended: the first worker's release and settings will be"
    elif not announced.partitions:
        message = f"{settings.digest()} is in force or announced everywhere, nothing appended"
    else:
        message = (
            f"announced {settings.digest()} to {len(announced.partitions)} raw partitions, which were under"
            f" {announced.before}; start workers of this release, those before leave when they are done"
        )
    console.print(printable(message), highlight=False, soft_wrap=True, markup=False)


async def _fold(settings: Settings) -> digests.Announced:
    secret = settings.pseudonym_secret()
    if secret is None:
        raise StartupError(
            "the fold digest needs the pseudonym key", "set FOOTFALL_PSEUDONYM_KEY_FILE as for worker anonymize"
        )
    keys = Keys(secret, require_control(settings, "topics fold"))
    await require_broker(settings)
    await require_topics(settings)
    return await digests.announce(settings, keys)


def _table(settings: Settings, there: dict[str, topics.StandingTopic] | None) -> Table:
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("topic", no_wrap=True)
    for heading in ("zone", "kept", "writers", "readers"):
        table.add_column(heading, overflow="fold")
    if there is not None:
        table.add_column("on the broker")
    for short, spec in TOPICS.items():
        row = [
            topic_name(settings.topic_prefix, short),
            spec.zone.value,
            _kept(spec),
            "\n".join(spec.writers),
            "\n".join(spec.readers),
        ]
        if there is not None:
            topic = there.get(short)
            row.append(f"{topic.partitions} partitions x {topic.replication}" if topic else "missing")
        table.add_row(*row)
    return table


def _kept(spec: TopicSpec) -> str:
    age = spec.config.get("retention.ms")
    return f"{int(age) // DAY_MS} days" if age else "compacted"
