"""``footfall demo``: the main job end to end on the real broker, and the proof that it held."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.broker.resolving import BrokerChoice
from pipeline.broker.topics import remove
from pipeline.cli.demo_summary import Books, Run, print_summary
from pipeline.cli.show import bar, console
from pipeline.cli.up import BROKER_HELP, lively
from pipeline.errors import StartupError
from pipeline.kafka.reader import follow, read_topic
from pipeline.processes import metric_count
from pipeline.proof.audit.reading import read_partitions
from pipeline.proof.audit.verdict import conclude
from pipeline.proof.explain.reading import explain
from pipeline.proof.explain.wanted import parse_id
from pipeline.proof.judgement import Judgement, judge
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.sink import SinkView
from pipeline.settings.settings import Settings, load_settings
from pipeline.simulate import Plan, simulate
from pipeline.simulate.publish import publish
from pipeline.stack import Stack, running_stack
from schemas.examples import EXAMPLE_CATALOGUE
from schemas.topics import TOPICS, topic_name

__all__ = ["demo"]

_DEADLINE_SECONDS = 150.0


def demo(
    events: int = typer.Option(200_000, min=1000, help="Events to simulate."),
    seed: int = typer.Option(1, help="Of the simulation."),
    companies: int = typer.Option(30, min=1, help="Companies to simulate."),
    svg: Path | None = typer.Option(None, help="Also draw what was shown into this file."),
    broker: BrokerChoice = typer.Option(BrokerChoice.AUTO, help=BROKER_HELP),
) -> None:
    """Run everything once: broker, both workers, a simulated fortnight; compare with the oracle, look for leaks.

    Exit 0 only if every figure is equal and no planted personal data was found. Stops all it started. On brokers that
    are set it has a topic prefix of its own, and removes its topics.
    """
    settings = lively(load_settings())
    if settings.catalogue is None:
        settings = settings.model_copy(update={"catalogue": EXAMPLE_CATALOGUE})
    if svg is not None:
        _refuse_unwritable(svg)
    plan = Plan(
        end=int(time.time() * 1000),
        seed=seed,
        companies=companies,
        events=events,
        partitions=settings.partitions,
        pii_canaries=True,
        catalogue=settings.deciding().catalogue,
    )
    console.record = svg is not None
    held = asyncio.run(_demo(settings, plan, broker))
    if svg is not None:
        console.save_svg(str(svg), title="footfall demo")
    raise typer.Exit(0 if held else 1)


async def _demo(settings: Settings, plan: Plan, choice: BrokerChoice) -> bool:
    if settings.brokers is not None and choice is BrokerChoice.AUTO:  # nothing simulated beside real events
        prefix = f"{settings.topic_prefix}-demo-{secrets.token_hex(4)}"
        settings = settings.model_copy(update={"topic_prefix": prefix})
    with _scratch() as name:
        with bar("broker") as report:
            running = running_stack(settings, Path(name), report, choice=choice)
            stack = await running.__aenter__()
        try:
            settings = stack.settings
            console.print(f"broker: {stack.broker.line}", highlight=False, markup=False)
            run = Run(plan)
            await _process(settings, stack, run)
            judgement = await _judge(settings)
            search = await _search(settings, stack, run)
            books = await _books(settings, judgement)
            print_summary(run, judgement, search, stack, books)
            return judgement.equal and not search.places and not books.audit.findings and books.figure.sound
        finally:
            await running.__aexit__(None, None, None)
            if stack.broker.given:
                for topic in TOPICS:
                    await remove(stack.settings, topic_name(stack.settings.topic_prefix, topic))


def _refuse_unwritable(svg: Path) -> None:
    try:
        svg.open("a").close()
    except OSError as error:
        raise StartupError(f"the file {svg} cannot be written ({error.strerror})", "name another for --svg") from None


def _scratch() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="footfall-demo-")
    except OSError as error:
        raise StartupError(
            f"no folder for temporary files can be made ({error.strerror})", "set TMPDIR to one"
        ) from None


async def _process(settings: Settings, stack: Stack, run: Run) -> None:
    """Publish while a live table shows the sink, until every record is folded and what it came to is emitted."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns)
    publishing = progress.add_task("publishing", total=run.plan.events)
    processing = progress.add_task("processing", total=run.plan.events)
    with Live(Group(progress, run.view.table(12)), console=console, refresh_per_second=4) as live:

        def show() -> None:
            live.update(Group(progress, run.view.table(12)))

        watching = asyncio.create_task(_watch(settings, run.view, show))
        run.began = time.perf_counter()
        feeding = asyncio.create_task(_feed(settings, run, progress, publishing))
        try:
            await _until_folded(stack, run, progress, processing, feeding)
        finally:
            watching.cancel()
            feeding.cancel()
        show()


async def _feed(settings: Settings, run: Run, progress: Progress, task: TaskID) -> None:
    records = list(simulate(run.plan))
    progress.update(task, total=len(records))
    run.began = time.perf_counter()
    run.records = await publish(settings, records, progress=lambda done: progress.update(task, completed=done))


async def _watch(settings: Settings, view: SinkView, show: object) -> None:
    topic = topic_name(settings.topic_prefix, "aggregates")
    async for batch in follow(settings.connection(), topic, whole=False):
        view.apply(batch)
        show()  # type: ignore[operator]


async def _until_folded(stack: Stack, run: Run, progress: Progress, task: TaskID, feeding: asyncio.Task[None]) -> None:
    until = time.perf_counter() + _DEADLINE_SECONDS
    while time.perf_counter() < until:
        first = await asyncio.to_thread(stack.anonymize.get, "/metrics")
        second = await asyncio.to_thread(stack.aggregate.get, "/metrics")
        counted, rejected = (
            metric_count(first[1], "footfall_events_total", outcome=outcome) for outcome in ("counted", "rejected")
        )
        progress.update(task, completed=counted + rejected, total=max(run.plan.events, counted + rejected))
        behind = sum(metric_count(page, "footfall_consumer_lag") for _, page in (first, second))
        reached = metric_count(second[1], "footfall_counted_total")
        if feeding.done():
            feeding.result()
            if counted and reached == counted and not behind:
                run.seconds = time.perf_counter() - run.began
                return
        await asyncio.sleep(0.25)


async def _judge(settings: Settings) -> Judgement:
    with bar("comparing with the oracle") as report:
        return await judge(settings, report, wait=30 + settings.emit_interval.total_seconds())


async def _search(settings: Settings, stack: Stack, run: Run) -> LeakSearch:
    """Look for what was planted in every topic but raw, in logs, metrics and files."""
    search = LeakSearch(run.plan.canaries())
    wanted = [short for short in TOPICS if short != "raw"]
    with bar("looking for personal data") as report:
        for number, short in enumerate(wanted, 1):
            topic = topic_name(settings.topic_prefix, short)
            search.records(f"topic {short}", await read_topic(settings.connection(), topic))
            report(number, len(wanted))
    for worker in stack.workers:
        search.look(f"metrics of {worker.kind}", worker.get("/metrics")[1].encode())
    search.folder("files", stack.folder, leave_out=[topic_name(settings.topic_prefix, "raw")])
    return search


async def _books(settings: Settings, judgement: Judgement) -> Books:
    """Audit the books, and explain the largest figure that was corrected."""
    with bar("auditing") as report:
        partitions = await read_partitions(settings, report)
    figures = judgement.expected.figures.values()
    chosen = max(figures, key=lambda figure: (figure["status"] == "corrected", figure["value"], figure["id"]))
    figure = await explain(settings, parse_id(chosen["id"], settings.deciding().catalogue), bar)
    return Books(conclude(settings.topic_prefix, partitions, None, None, None), figure)
