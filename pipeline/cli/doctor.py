"""``footfall doctor``: looks at all that a start and the work need, and says what to mend; it writes nothing."""

import asyncio
from typing import Final

import typer
from rich.markup import escape
from rich.table import Table

from pipeline.cli.show import bar, console
from pipeline.doctor import STILL_SECONDS, Finding, Verdict, examine
from pipeline.doctor.findings import wrong
from pipeline.errors import StartupError
from pipeline.printable import printable
from pipeline.settings.settings import load_settings

__all__ = ["doctor"]

_STYLES: Final = {
    Verdict.FINE: "green",
    Verdict.WARNING: "yellow",
    Verdict.WRONG: "bold red",
    Verdict.SKIPPED: "dim",
}


def doctor(
    still: float = typer.Option(STILL_SECONDS, min=1, help="Seconds after which a partition that waits stands still."),
) -> None:
    """Check settings, keys, brokers, topics, rights, starts, workers, lag and rejections; say what to mend.

    Exit code 1 where something is wrong. Workers are asked at FOOTFALL_WORKERS, else those of a running up, else the
    one at FOOTFALL_METRICS_HOST and PORT.
    """
    findings = _examined(still)
    table = Table("check", "verdict", "found", "what to do")
    table.columns[0].overflow = table.columns[2].overflow = table.columns[3].overflow = "fold"
    for finding in findings:
        style = _STYLES[finding.verdict]
        table.add_row(
            escape(finding.check),
            f"[{style}]{finding.verdict}[/]",
            escape(printable(finding.found)),
            escape(printable(finding.mend)),
        )
    console.print(table)
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise typer.Exit(1)


def _examined(still: float) -> list[Finding]:
    try:
        settings = load_settings()
    except StartupError as refusal:
        return [wrong("settings", refusal)]
    with bar("looking", to_stderr=True) as step:
        return asyncio.run(examine(settings, still=still, step=step))
