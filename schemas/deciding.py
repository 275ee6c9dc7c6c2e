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
    """The deciding settings; durations in milliseconds.

    The bounds keep one company from exhausting a worker. Of a company they limit what is alive: sources (the part of a
    source before ``#``), incarnations (whole sources), intervals of sequences of one incarnation, words of consent,
    users of one day, and series with the sources that its distinct figures hold; ``max_new_companies`` limits the
    companies that a partition sees anew on one UTC day of append time.
    """

    lateness: int = 35 * DAY_MS
    clock_ahead: int = 600 * SECOND_MS
    grace_hour: int = HOUR_MS
    grace_day: int = DAY_MS
    idle_after: int = 300 * SECOND_MS
    max_series: int = 10_000
    max_sources: int = 200_000
    max_incarnations: int = 400_000
    max_intervals: int = 1000
    max_words: int = 200_000
    max_new_companies: int = 50_000
    max_users: int = 1_000_000
    max_company_series: int = 1_000_000


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
