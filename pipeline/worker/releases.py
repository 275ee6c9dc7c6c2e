"""Who folds what, while one release or one set of settings follows another: a pure decision (design 1.7).

A worker folds under its own digest alone. Where its partitions stand between two digests it joins the group at once,
waits out of it for the release before, or is refused.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

__all__ = ["NOBODY", "Decision", "Others", "Stand", "Turn", "Way", "decide", "lies"]


class Stand(NamedTuple):
    """One partition as a worker's start finds it; digests are compared as the worker compares them.

    ``under`` is the digest in force at the position of the state, None where nobody has folded it yet. ``past`` are
    those that were in force before, "" among them stands for unknown ones. ``left`` is how many records other than
    ticks and control records lie before the record ahead that brings the worker's own digest, None where none does.
    """

    partition: int
    under: str | None
    past: tuple[str, ...] = ()
    left: int | None = None


class Others(NamedTuple):
    """What the partitions that somebody has folded say of one that nobody has.

    ``first`` is the digest that was in force before any control record, None where there is no such partition;
    ``present`` are those in force at their positions.
    """

    first: str | None = None
    present: frozenset[str] = frozenset()


NOBODY = Others()


class Way(NamedTuple):
    """From a position to the record that brings a digest: its offset, None where there is none, and what lies before.

    ``left`` counts records that another release is to fold; ``under`` is the digest in force at the position as the
    records ahead tell it, "" where they do not, and ``came`` whether it came by a control record.
    """

    brings: int | None
    left: int
    under: str = ""
    came: bool = False


class Turn(Enum):
    """What a worker does at its start."""

    JOIN = auto()
    WAIT = auto()
    """Out of the group: events are left that the release before is to fold."""
    REFUSED = auto()


class Decision(NamedTuple):
    """``waiting`` are the partitions with records left for another release; ``foreign`` the first that refuses."""

    turn: Turn
    waiting: tuple[Stand, ...] = ()
    foreign: Stand | None = None


def lies(own: str, stand: Stand) -> Turn | None:
    """What a worker does with one partition that it was assigned; None: it is past it and leaves it alone."""
    if stand.under in (own, None) or stand.left == 0:
        return Turn.JOIN
    if _was(own, stand):
        return None
    return Turn.REFUSED if stand.left is None else Turn.WAIT


def decide(own: str, stands: Sequence[Stand]) -> Decision:
    """What a worker with the digest ``own`` does, where each partition of the topics stands so."""
    others = {stand.under for stand in stands} - {None}
    counted = [_counted(own, stand, others) for stand in stands]
    behind = [stand for stand in counted if stand.under == own or stand.left is not None]
    foreign = [stand for stand in counted if stand not in behind and not _was(own, stand)]
    if foreign or not behind:
        return Decision(Turn.REFUSED, foreign=(foreign or counted)[0])
    waiting = tuple(stand for stand in counted if stand.under != own and stand.left)
    # Whoever has a stretch of its own that nobody else may fold does that first: else two releases wait for each other.
    finishes = any(stand.under == own for stand in counted) and all(_was(own, stand) for stand in waiting)
    return Decision(Turn.WAIT if waiting and not finishes else Turn.JOIN, waiting)


def _counted(own: str, stand: Stand, others: set[str | None]) -> Stand:
    """A partition that nobody has folded and that no record brings elsewhere is under the digest of the others."""
    if stand.under is not None or stand.left is not None:
        return stand
    return stand._replace(under=own if not others or own in others else min(map(str, others)))


def _was(own: str, stand: Stand) -> bool:
    return own in stand.past or "" in stand.past
