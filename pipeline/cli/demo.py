"""``footfall demo``: the main job end to end on the real broker, and the proof that it held."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipeline.broker.resolving import BrokerChoice
from pipeline.broker.topics import remove
from pipeline.cli.audit import show_findings
from pipeline.cli.explain import in_short
from pipeline.cli.show import bar, console
from pipeline.cli.up import BROKER_HELP, lively
from pipeline.errors import StartupError
from pipeline.kafka.reader import follow, read_topic
from pipeline.printable import printable
from pipeline.processes import metric_total
from pipeline.proof.audit.reading import read_partitions
from pipeline.proof.audit.verdict import Audit, conclude
from pipeline.proof.explain.explanation import Explanation
from pipeline.proof.explain.reading import explain
from pipeline.proof.explain.wanted import parse_id
from pipeline.proof.judgement import Judgement, judge
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import render
from pipeline.settings.settings import Settings, load_settings
from pipeline.simulate import Plan, simulate
from pipeline.simulate.publish import publish
from pipeline.stack import Stack, running_stack
from schemas.catalogue.catalogue import BUILT_IN
from schemas.examples import EXAMPLE_CATALOGUE
from schemas.times import instant
from schemas.topics import TOPICS, topic_name
from schemas.wire.ledger import decode_entry

__all__ = ["demo"]

_DEADLINE_SECONDS = 150.0


@dataclass(slots=True)
class _Run:
    """What the demo measured on its way."""

    plan: Plan
    records: int = 0
    began: float = 0.0
    seconds: float = 0.0
    view: SinkView = field(default_factory=SinkView)


class _Books(NamedTuple):
    """What ``audit`` says of the whole run, and ``explain`` of one figure."""

    audit: Audit
    figure: Explanation


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
            run = _Run(plan)
            await _process(settings, stack, run)
            judgement = await _judge(settings)
            search = await _search(settings, stack, run)
            books = await _books(settings, judgement)
            _summary(run, judgement, search, stack, books)
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


async def _process(settings: Settings, stack: Stack, run: _Run) -> None:
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


async def _feed(settings: Settings, run: _Run, progress: Progress, task: TaskID) -> None:
    records = list(simulate(run.plan))
    progress.update(task, total=len(records))
    run.began = time.perf_counter()
    run.records = await publish(settings, records, progress=lambda done: progress.update(task, completed=done))


async def _watch(settings: Settings, view: SinkView, show: object) -> None:
    topic = topic_name(settings.topic_prefix, "aggregates")
    async for batch in follow(settings.connection(), topic, whole=False):
        view.apply(batch)
        show()  # type: ignore[operator]


async def _until_folded(stack: Stack, run: _Run, progress: Progress, task: TaskID, feeding: asyncio.Task[None]) -> None:
    until = time.perf_counter() + _DEADLINE_SECONDS
    while time.perf_counter() < until:
        first = await asyncio.to_thread(stack.anonymize.get, "/metrics")
        second = await asyncio.to_thread(stack.aggregate.get, "/metrics")
        counted, rejected = (
            _count(first[1], "footfall_events_total", outcome=outcome) for outcome in ("counted", "rejected")
        )
        progress.update(task, completed=counted + rejected, total=max(run.plan.events, counted + rejected))
        behind = sum(_count(page, "footfall_consumer_lag") for _, page in (first, second))
        reached = _count(second[1], "footfall_counted_total")
        if feeding.done():
            feeding.result()
            if counted and reached == counted and not behind:
                run.seconds = time.perf_counter() - run.began
                return
        await asyncio.sleep(0.25)


def _count(page: str, name: str, **labels: str) -> int:
    return int(metric_total(page, name, **labels) or 0)


async def _judge(settings: Settings) -> Judgement:
    with bar("comparing with the oracle") as report:
        return await judge(settings, report, wait=30 + settings.emit_interval.total_seconds())


async def _search(settings: Settings, stack: Stack, run: _Run) -> LeakSearch:
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


async def _books(settings: Settings, judgement: Judgement) -> _Books:
    """Audit the books, and explain the largest figure that was corrected."""
    with bar("auditing") as report:
        partitions = await read_partitions(settings, report)
    figures = judgement.expected.figures.values()
    chosen = max(figures, key=lambda figure: (figure["status"] == "corrected", figure["value"], figure["id"]))
    figure = await explain(settings, parse_id(chosen["id"], settings.deciding().catalogue), bar)
    return _Books(conclude(settings.topic_prefix, partitions, None, None, None), figure)


def _audit_text(audit: Audit, judgement: Judgement, stack: Stack) -> str:
    """The line of the audit; where no hour is closed yet, how the open one balances so far."""
    if audit.proven:
        return audit.line
    if audit.findings:
        return f"[red]{len(audit.findings):,} findings[/red]"
    every = {**judgement.expected.ledger, **judgement.expected.open_hours}
    received = sum(decode_entry(entry).received for entry in every.values())
    _, page = stack.anonymize.get("/metrics")
    counted = _count(page, "footfall_events_total", outcome="counted")
    duplicate = _count(page, "footfall_rejected_total", reason="duplicate")
    rejected = _count(page, "footfall_events_total", outcome="rejected") - duplicate
    open_since = min((each.closed for each in audit.unfinished), default=0)
    return (
        f"the hour of {instant(open_since)} is open, so far received {received:,} = counted {counted:,} + duplicate "
        f"{duplicate:,} + rejected {rejected:,}; the books of an hour close with the first record of a later one"
    )


def _own_meters(settings: Settings, figures: Iterable[Mapping[str, Any]]) -> str:
    """The largest figure of each metric that is not built in."""
    largest: dict[str, Mapping[str, Any]] = {}
    for figure in figures:
        name = figure["metric"]
        if name not in BUILT_IN.metrics and figure["value"] >= largest.get(name, figure)["value"]:
            largest[name] = figure
    lines = [f"{figure['id']} = {figure['value']:,} {_unit(figure['unit'])}".rstrip() for figure in largest.values()]
    return "\n".join([*lines, f"declared in {settings.catalogue}"]) if lines else ""


def _unit(unit: str) -> str:
    return {"By": "bytes", "s": "seconds"}.get(unit, "")


def _summary(run: _Run, judgement: Judgement, search: LeakSearch, stack: Stack, books: _Books) -> None:
    expected = judgement.expected
    for differences in filter(None, (judgement.differences, judgement.corrections_wrong)):
        console.print(render(differences))
    if books.audit.findings:
        show_findings(books.audit.findings)
    table = Table(title="summary", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    verdict = "equal to the oracle" if judgement.equal else f"[red]{len(judgement.differences):,} differences[/red]"
    table.add_row("figures", f"{len(expected.figures):,}, {verdict}")
    unlike = len(judgement.corrections_wrong)
    balanced = f"[red]{unlike:,} differences[/red]" if unlike else "final plus corrections is current"
    if own := _own_meters(stack.settings, expected.figures.values()):
        table.add_row("your own meters", own)
    table.add_row("corrections", f"{len(expected.corrections):,}, {balanced}")
    table.add_row("counted", f"{expected.counted:,} events of {run.records:,} records")
    reasons = sorted(expected.by_reason.items(), key=lambda item: -item[1])
    table.add_row("rejected", ", ".join(f"{reason.value} {count:,}" for reason, count in reasons))
    table.add_row("moved home", f"{expected.moved:,} records")
    total = expected.counted + sum(expected.by_reason.values())
    if run.seconds:
        table.add_row("speed", f"{total / run.seconds:,.0f} events/s while publishing ({run.seconds:.1f} s)")
    places = ", ".join(f"{place} ({count})" for place, count in search.places.most_common())
    megabytes = f"{search.searched / 1e6:,.1f} MB of topics, logs, metrics and files"
    table.add_row("personal data", f"[red]found in {places}[/red]" if places else f"none found in {megabytes}")
    table.add_row("audit", _audit_text(books.audit, judgement, stack))
    table.add_row("explained", Text(printable(in_short(books.figure))))
    console.print(table)
    console.print("Next: [bold].venv/bin/footfall up[/bold] keeps it running and prints the broker's address;")
    console.print(
        "[bold]footfall explain ID[/bold] says how a figure came about, [bold]footfall audit[/bold] proves an hour;"
    )
    sink = topic_name(stack.settings.topic_prefix, "aggregates")
    console.print(f"metrics were at {stack.anonymize.metrics_url}; any Kafka client reads {sink}:")
    console.print("of an id, the record of the highest revision is the truth (README, For analysts).")
