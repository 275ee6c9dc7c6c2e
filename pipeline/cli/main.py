"""The command line: which commands there are, and how a refusal ends the program."""

import sys

import typer

from pipeline.cli import audit, demo, doctor, explain, figures, replay, simulate, topics, up, watch, worker
from pipeline.errors import Refused

__all__ = ["app", "main"]

app = typer.Typer(
    name="footfall",
    help="Counts how products are used without knowing who uses them, exactly enough to bill from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(topics.app, name="topics")
app.command()(demo.demo)
app.command()(up.up)
app.add_typer(worker.app, name="worker")
app.command()(watch.watch)
app.command("simulate")(simulate.command)
app.command()(figures.oracle)
app.command()(figures.verify)
app.command()(figures.rejected)
app.command("explain")(explain.command)
app.command()(audit.audit)
app.command("replay")(replay.command)
app.command()(doctor.doctor)


def main() -> None:
    """Run the program; the entry point of ``.venv/bin/footfall``."""
    try:
        app()
    except Refused as refusal:
        sys.stderr.write(f"footfall: {refusal}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
