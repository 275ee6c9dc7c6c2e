"""What ``footfall demo`` says at its end: what was folded, whether it was right, and what to do next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from pipeline.cli.audit import show_findings
from pipeline.cli.explain import in_short
from pipeline.cli.show import console
from pipeline.printable import printable
from pipeline.processes import metric_count
from pipeline.proof.audit.verdict import Audit
from pipeline.proof.explain.explanation import Explanation
from pipeline.proof.judgement import Judgement
from pipeline.proof.leaks import LeakSearch
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import render
from pipeline.settings.settings import Settings
from pipeline.simulate import Plan
from pipeline.stack import Stack
from schemas.catalogue.catalogue import BUILT_IN
from schemas.times import instant
from schemas.topics import topic_name
from schemas.wire.ledger import decode_entry

__all__ = ["Books", "Run", "print_summary"]


@dataclass(slots=True)
class Run:
    """What the demo measured on its way."""

    plan: Plan
    records: int = 0
    began: float = 0.0
    seconds: float = 0.0
    view: SinkView = field(default_factory=SinkView)


class Books(NamedTuple):
    """What ``audit`` says of the whole run, and ``explain`` of one figure."""

    audit: Audit
    figure: Explanation


def print_summary(run: Run, judgement: Judgement, search: LeakSearch, stack: Stack, books: Books) -> None:
    """Print what differs, then one table, then what to do next."""
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


def _audit_text(audit: Audit, judgement: Judgement, stack: Stack) -> str:
    """The line of the audit; where no hour is closed yet, how the open one balances so far."""
    if audit.proven:
        return audit.line
    if audit.findings:
        return f"[red]{len(audit.findings):,} findings[/red]"
    every = {**judgement.expected.ledger, **judgement.expected.open_hours}
    received = sum(decode_entry(entry).received for entry in every.values())
    _, page = stack.anonymize.get("/metrics")
    counted = metric_count(page, "footfall_events_total", outcome="counted")
    duplicate = metric_count(page, "footfall_rejected_total", reason="duplicate")
    rejected = metric_count(page, "footfall_events_total", outcome="rejected") - duplicate
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
