"""``footfall replay``: a past period folded again beside the running workers, compared, and promoted."""

import asyncio
import json
import sys
from collections import Counter

import typer
from rich.markup import escape
from rich.table import Table

from pipeline.cli.show import bar, console
from pipeline.errors import StartupError
from pipeline.proof.verify import DifferenceKind, render
from pipeline.replay.comparing import Compared
from pipeline.replay.live import Verdict
from pipeline.replay.request import LeftOut, Request, ask, left_out, parallel_name
from pipeline.replay.running import Promoted, Replayed, promote, remove_sink, replay
from pipeline.settings.settings import Settings, load_settings
from schemas.limits import HOUR_MS
from schemas.times import instant

__all__ = ["command"]


def command(
    begin: str | None = typer.Option(None, "--from", help="UTC day or whole hour to begin with: 2026-11-01."),
    end: str | None = typer.Option(None, "--to", help="UTC day or hour before which to end; default: the present."),
    into: str | None = typer.Option(None, "--into", help="Suffix of the sink to replay into."),
    metric: list[str] = typer.Option([], "--metric", help="Only this metric; may be given several times."),
    source: str = typer.Option("clean", "--source", help="clean, or raw for fields that clean did not hold then."),
    accept_gap: bool = typer.Option(False, "--accept-gap", help="Go on where events are lost."),
    wait: float = typer.Option(30.0, min=0, help="Seconds to wait for a live sink that is behind."),
    promote_it: bool = typer.Option(False, "--promote", help="Copy to the live sink what it lacks of the replay."),
    remove_it: bool = typer.Option(False, "--remove", help="Delete the replay's sink."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object in place of tables."),
) -> None:
    """Fold a past period again into a sink of its own and compare it with the live one; exit 1 where they differ.

    Safe beside running workers; run again, an interrupted replay goes on. Windows that reach out of the period are
    left out, and it says so. --promote, with worker aggregate stopped, copies what the live sink lacks.
    Example: footfall replay --from 2026-11-01 --to 2026-11-08 --into check
    """
    settings = load_settings()
    name = parallel_name(settings, into)
    if promote_it or remove_it:
        given = begin is not None or end is not None or metric or source != "clean" or accept_gap
        if given or (promote_it and remove_it):
            raise StartupError("--promote and --remove stand alone beside --into", "leave the other arguments out")
    if remove_it:
        asyncio.run(remove_sink(settings, name))
        _print(as_json, {"removed": name}, f"removed {name}")
        return
    if promote_it:
        promoted = _promote(settings, name)
        _print_promoted(promoted, name, as_json)
        raise typer.Exit(1 if promoted.compared.verdicts[Verdict.DIFFERENT] else 0)
    request = ask(settings, begin, end, metric, source, accept_gap)
    replayed = _replay(settings, request, name, wait)
    cut = left_out(request.period, settings.deciding().catalogue)
    _print_replayed(replayed, cut, name, into or "", as_json)
    raise typer.Exit(0 if replayed.compared.equal else 1)


def _promote(settings: Settings, name: str) -> Promoted:
    with bar("checking and copying", to_stderr=True) as report:
        return asyncio.run(promote(settings, name, report))


def _replay(settings: Settings, request: Request, name: str, wait: float) -> Replayed:
    try:
        with bar("replaying", to_stderr=True) as report:
            return asyncio.run(replay(settings, request, name, wait, report))
    except KeyboardInterrupt:
        sys.stderr.write("footfall: interrupted; the same command goes on\n")
        raise


def _print(as_json: bool, document: dict[str, object], text: str) -> None:
    if as_json:
        typer.echo(json.dumps(document))
    else:
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def _compared(compared: Compared) -> dict[str, object]:
    verdicts = [Verdict.EQUAL, Verdict.MOVED_ON, Verdict.BEHIND]
    counts = {verdict.name.lower(): compared.verdicts[verdict] for verdict in verdicts}
    return {
        "live": counts | {kind.value: compared.kinds[kind] for kind in DifferenceKind},
        "differences": [each._asdict() for each in compared.differences],
    }


def _written(replayed: Replayed) -> tuple[int, int]:
    """Figures that were in the replay's sink, and those that were written now."""
    return sum(each.found for each in replayed.written), sum(each.appended for each in replayed.written)


def _incomplete(replayed: Replayed) -> dict[str, tuple[int, int]]:
    """Metric to how many of its hours hold events that do not tell it, and the time from which on none does."""
    hours: dict[str, set[int]] = {}
    for refold in replayed.refolds.values():
        for (_, metric), found in refold.incomplete.items():
            hours.setdefault(metric, set()).update(found)
    return {metric: (len(found), (max(found) + 1) * HOUR_MS) for metric, found in sorted(hours.items())}


def _print_replayed(replayed: Replayed, cut: list[LeftOut], name: str, into: str, as_json: bool) -> None:
    compared, (found, appended) = replayed.compared, _written(replayed)
    incomplete = _incomplete(replayed)
    if as_json:
        document = {
            "equal": compared.equal,
            "into": name,
            "figures": found + appended,
            "appended": appended,
            **_compared(compared),
            "left_out": [str(each) for each in cut],
            "incomplete": {
                metric: {"hours": many, "complete_from": instant(at)} for metric, (many, at) in incomplete.items()
            },
        }
        typer.echo(json.dumps(document))
        return
    if compared.differences:
        console.print(_differences(compared))
    console.print(_summary(replayed, name, cut))
    for metric, (_, at) in incomplete.items():
        more = "clean" if replayed.request.source == "clean" else "clean and raw"
        console.print(
            f"{metric}: events before {instant(at)} do not hold its fields in {more}; figures that need them are left"
            " out" + ("; --source raw fills them while raw lasts" if more == "clean" else ""),
            highlight=False,
            soft_wrap=True,
        )
    console.print(_next(replayed, into), highlight=False, soft_wrap=True)


def _differences(compared: Compared) -> Table:
    table = render(compared.differences)
    kinds = Counter(compared.kinds)
    text = ", ".join(f"{kinds[kind]:,} {kind.value}" for kind in DifferenceKind if kinds[kind])
    table.title = f"{kinds.total():,} differences of the live sink: {text}"
    table.columns[3].header, table.columns[4].header = "replayed", "live"
    return table


def _summary(replayed: Replayed, name: str, cut: list[LeftOut]) -> Table:
    compared, (found, appended) = replayed.compared, _written(replayed)
    table = Table(title="replay", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("into", escape(name))
    table.add_row("figures", f"{found + appended:,}, {appended:,} of them written now")
    table.add_row("equal", f"{compared.verdicts[Verdict.EQUAL]:,} in the live sink")
    if moved := compared.verdicts[Verdict.MOVED_ON]:
        table.add_row("moved on", f"{moved:,} that the live sink carried on behind the replay's end")
    if behind := compared.verdicts[Verdict.BEHIND]:
        table.add_row("behind", f"{behind:,} that worker aggregate has not emitted yet")
    table.add_row("different", f"{compared.verdicts[Verdict.DIFFERENT]:,}")
    for number, each in enumerate(cut):
        table.add_row("" if number else "left out", escape(str(each)))
    return table


def _next(replayed: Replayed, into: str) -> str:
    compared = replayed.compared
    again = f"footfall replay --into {into}"
    if compared.equal:
        return f"Next: nothing is to be mended; {again} --remove deletes the copy."
    if not compared.verdicts[Verdict.DIFFERENT]:
        return "Next: start worker aggregate, or wait for it, and run this again."
    if compared.kinds[DifferenceKind.MISSING] == compared.verdicts[Verdict.DIFFERENT]:
        return f"Next: with worker aggregate stopped, {again} --promote copies what the live sink lacks."
    return "Next: the live sink holds other values, and nothing is ever rewritten: look at these figures first."


def _print_promoted(promoted: Promoted, name: str, as_json: bool) -> None:
    compared = promoted.compared
    refused = bool(compared.verdicts[Verdict.DIFFERENT])
    if as_json:
        document = {"promoted": not refused, "from": name, "copied": promoted.copied, **_compared(compared)}
        typer.echo(json.dumps(document))
    elif refused:
        console.print(_differences(compared))
        console.print("not promoted, nothing was written: the live sink holds other values", highlight=False)
    else:
        console.print(f"copied {promoted.copied:,} figures to the live sink; start worker aggregate", highlight=False)
