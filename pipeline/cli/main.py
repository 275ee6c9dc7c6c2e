"""The command line: which commands there are, and how a refusal ends the program."""

import sys
from typing import NoReturn

import typer
from aiokafka.errors import KafkaError

from pipeline.cli import audit, catalogue, demo, doctor, explain, figures, replay, simulate, topics, up, watch, worker
from pipeline.cli.process import refusal_of, say_the_rest, settle
from pipeline.errors import StartupError
from schemas.wire.forms import UnknownFormError

__all__ = ["app", "main"]

app = typer.Typer(
    name="footfall",
    help="Counts how products are used without knowing who uses them, exactly enough to bill from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(topics.app, name="topics")
app.add_typer(catalogue.app, name="catalogue")
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
    settle()
    try:
        try:
            app()
        finally:
            say_the_rest()
    except StartupError as refusal:
        _refuse(refusal)
    except BrokenPipeError:  # whoever read has had enough
        raise SystemExit(1) from None
    except (KafkaError, OSError, UnknownFormError) as error:
        _refuse(refusal_of(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _refuse(refusal: StartupError) -> NoReturn:
    sys.stderr.write(f"footfall: {refusal}\n")
    raise SystemExit(2) from None
