"""What the commands share on a terminal: a console, progress bars, and a bar's callback."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.kafka.reader import Progress as Report

__all__ = ["bar", "console"]

console = Console()
_errors = Console(stderr=True)


@contextmanager
def bar(title: str, *, to_stderr: bool = False) -> Iterator[Report]:
    """A progress bar; yields a callback of (done, total). With ``to_stderr`` stdout stays machine-readable.

    On stderr it is for a terminal alone: in a file it would stand beside the one line of a refusal.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = to_stderr and not _errors.is_terminal
    shown_on = _errors if to_stderr else console
    with Progress(*columns, console=shown_on, transient=to_stderr, disable=hidden) as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report
