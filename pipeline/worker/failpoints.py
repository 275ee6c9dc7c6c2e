"""Named points in a worker's work where a crash could matter; tests kill workers there (``tests/faults/killing``)."""

from typing import Final

__all__ = ["FAILPOINTS", "reached"]

FAILPOINTS: Final = (
    "mending",
    "mended",
    "outputs",
    "outputs-written",
    "corrections",
    "corrections-written",
    "state",
    "state-written",
    "emission",
    "emission-drawn",
    "emission-written",
    "commit",
    "committed",
)
"""Before and after each such step, in the order in which a worker gets to them."""


def reached(_name: str) -> None:
    """Called at each point; does nothing, unless a test has put another function in its place."""
