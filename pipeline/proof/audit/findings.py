"""What an audit can find wrong."""

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["UNKNOWN", "Finding", "FindingKind"]

UNKNOWN: Final = " that this release knows: audit by the release that wrote it, or find out who else writes there"
"""Ends what is said of a record of an unknown shape."""


class FindingKind(StrEnum):
    """Kinds of what keeps a period from being proven."""

    STRANGE = "strange"
    """A record that is no entry or no correction, or lies where it does not belong."""
    UNEQUAL = "unequal"
    """A repeat that says something else than the first."""
    ORDER = "out of order"
    MISSING = "missing"
    """An entry or an hour that must be there is not."""
    SURPLUS = "surplus"
    UNBALANCED = "unbalanced"
    CHAIN = "chain"
    """An hour whose hash is not the one that the hour after it carries."""
    RANGE = "range"
    """Raw offsets that no hour, or more than one, accounts for."""
    SKIPPED = "skipped"
    """Raw offsets that nobody has folded, such as those of a gap that an operator accepted."""
    CORRECTION = "correction"
    BEHIND = "behind"
    """The sink does not yet say what the corrections say."""
    RAW = "raw"
    """An entry is not what the raw topic comes to."""
    HEAD = "head"
    """The hash of the books is not the one that was expected."""


class Finding(NamedTuple):
    """One thing that is wrong; ``hour`` (ms) is None where it concerns every period."""

    kind: FindingKind
    partition: int | None
    hour: int | None
    company: str | None
    what: str
