"""The settings that decide, and the digest of everything that decides beside the log (design 1.7)."""

import hashlib
from dataclasses import asdict, dataclass

import msgspec

from schemas.events import EVENT_TYPES
from schemas.limits import DAY_MS, HOUR_MS, SECOND_MS
from schemas.metrics import METRICS

__all__ = ["FOLD_VERSION", "Deciding", "fold_digest"]

FOLD_VERSION = 2
"""Raised with every change of the fold that changes a figure, or that the release before could not go on from."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """The deciding settings; durations in milliseconds."""

    lateness: int = 35 * DAY_MS
    clock_ahead: int = 600 * SECOND_MS
    grace_hour: int = HOUR_MS
    grace_day: int = DAY_MS
    idle_after: int = 300 * SECOND_MS
    max_series: int = 10_000


def fold_digest(deciding: Deciding, key_fingerprint: str = "") -> str:
    """``<catalogue, settings and fold version>-<key epoch>``, each 16 hex digits.

    A worker without the key (``aggregate``) compares the part before the dash alone.
    """
    facts = {
        "version": FOLD_VERSION,
        "deciding": asdict(deciding),
        "events": [
            [entry.name, entry.basis.value, list(entry.allowed), repr(entry.passive), entry.data.model_json_schema()]
            for entry in EVENT_TYPES.values()
        ],
        "metrics": [asdict(metric) for metric in METRICS.values()],
    }
    packed = msgspec.json.encode(facts, order="deterministic")
    return f"{hashlib.blake2b(packed, digest_size=8).hexdigest()}-{key_fingerprint}"
