"""The whole flow on one screen: every stage with the topics it reads, keeps its state in and writes."""

from dataclasses import dataclass
from typing import Final

__all__ = ["FLOW", "Stage"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One worker: its agent reads ``source`` a chunk at a time; short names of topics (``schemas.topics``)."""

    kind: str
    does: str
    source: str
    outputs: tuple[str, ...]
    state: str
    holds_key: bool


FLOW: Final = {
    stage.kind: stage
    for stage in (
        Stage(
            "anonymize",
            "accept by form, place at home, decide lateness, duplicates and consent, allow, pseudonymize",
            "raw",
            ("clean", "rejected", "ledger", "raw"),
            "anonymize-state",
            holds_key=True,
        ),
        Stage(
            "aggregate",
            "count and keep distinct sets by company, metric and window, emit what changed or closed",
            "clean",
            ("aggregates", "corrections"),
            "aggregate-state",
            holds_key=False,
        ),
    )
}
"""Each stage by its worker's name, in flow order."""
