"""Why an event was not counted: a closed list, and apart from it the order in which it is decided (design 1.4)."""

from enum import StrEnum
from typing import Final

__all__ = ["DECIDED_BY_FORM", "DECISION_ORDER", "Outcome", "Reason"]


class Reason(StrEnum):
    """A reason for a rejection; its place in this list means nothing.

    Its code in state and ledger is in :mod:`schemas.wire.ledger`, when it is decided in :data:`DECISION_ORDER`.
    """

    UNREADABLE = "unreadable"
    FORGED_CONTROL = "forged-control"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    NOT_CLOUDEVENTS = "not-cloudevents"
    UNKNOWN_TYPE = "unknown-type"
    BAD_FIELD = "bad-field"
    BAD_TIME = "bad-time"
    KEY_MISMATCH = "key-mismatch"
    CLOCK_AHEAD = "clock-ahead"
    TOO_LATE = "too-late"
    DUPLICATE = "duplicate"
    NO_CONSENT = "no-consent"
    OVER_BOUND = "over-bound"


DECISION_ORDER: Final = (
    Reason.UNREADABLE,
    Reason.FORGED_CONTROL,
    Reason.TOO_LARGE,
    Reason.NOT_JSON,
    Reason.NOT_CLOUDEVENTS,
    Reason.UNKNOWN_TYPE,
    Reason.BAD_FIELD,
    Reason.BAD_TIME,
    Reason.KEY_MISMATCH,
    Reason.CLOCK_AHEAD,
    Reason.TOO_LATE,
    Reason.DUPLICATE,
    Reason.NO_CONSENT,
    Reason.OVER_BOUND,
)
"""Of several reasons that hold for one event the first of these is given."""

DECIDED_BY_FORM: frozenset[Reason] = frozenset(
    {
        Reason.TOO_LARGE,
        Reason.NOT_JSON,
        Reason.NOT_CLOUDEVENTS,
        Reason.UNKNOWN_TYPE,
        Reason.BAD_FIELD,
        Reason.BAD_TIME,
    }
)
"""Reasons that need nothing but the event itself: one without any of them is *well-formed*."""


class Outcome(StrEnum):
    """What became of an event or a record, for metrics; rejections are told apart by :class:`Reason`."""

    COUNTED = "counted"
    REJECTED = "rejected"
    MOVED = "moved"
    TICK = "tick"
    CONTROL = "control"
