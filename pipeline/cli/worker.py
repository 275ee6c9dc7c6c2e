"""``footfall worker``: one of the two agents, until it is told to stop."""

import typer

from pipeline.settings.settings import load_settings
from pipeline.worker.run import run_worker

__all__ = ["app"]

app = typer.Typer(help="Run a worker until SIGTERM; several of a kind share the partitions.", no_args_is_help=True)

AcceptGap = typer.Option(False, "--accept-gap", help="Go on although events were lost; the books will show the gap.")


@app.command()
def anonymize(accept_gap: bool = AcceptGap) -> None:
    """Read raw events, keep out what is personal, write clean chunks. Needs the pseudonym key."""
    raise typer.Exit(run_worker("anonymize", load_settings(), accept_gap=accept_gap))


@app.command()
def aggregate(accept_gap: bool = AcceptGap) -> None:
    """Read clean chunks, count them per company, write the sink. Refuses to hold the pseudonym key."""
    raise typer.Exit(run_worker("aggregate", load_settings(), accept_gap=accept_gap))
