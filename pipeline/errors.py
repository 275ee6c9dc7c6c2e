"""The one exception that a command ends with: what is wrong, and what to do about it; and one of a worker's disk."""

from pipeline.printable import printable

__all__ = ["StartupError", "StoreError"]


class StoreError(Exception):
    """The disk did not do what was asked; the process must end, and recovery makes the store anew from the log."""


class StartupError(Exception):
    """A start that is refused; a command ends with exit code 2 and this one line on stderr.

    ``what`` names what is wrong, ``do`` what to do about it; neither ever holds a secret or anything of an event.
    """

    def __init__(self, what: str, do: str) -> None:
        self.what = printable(" ".join(what.split()))
        self.do = printable(" ".join(do.split()))
        super().__init__(self.what, self.do)

    def __str__(self) -> str:
        return f"{self.what}: {self.do}"
