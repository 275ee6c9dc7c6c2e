"""The settings and the catalogue that decide, and the digest of everything that decides beside the log (design 1.7)."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.limits import DAY_MS, HOUR_MS, SECOND_MS

__all__ = ["FOLD_VERSION", "KEY_DIGITS", "Deciding", "deciding_facts", "deciding_part", "fold_digest", "key_parts"]

FOLD_VERSION = 4
"""Raised with every change of the fold that changes a figure, or that the release before could not go on from.

What was begun by version 2 or an earlier one is not gone on with: its records of control bore no tag.
"""
KEY_DIGITS = 8
"""Of each of the two keys' fingerprints in a digest."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decides beside the log and the keys; durations in milliseconds.

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
    partitions: int = 8
    """Of every topic of the table: it decides where each company is at home."""
    catalogue: Catalogue = BUILT_IN
    """What is counted of which events."""


def deciding_facts(deciding: Deciding) -> dict[str, Any]:
    """Everything that decides a figure beside the log and the keys, as JSON takes it.

    Titles, docstrings, numbers of requirements, and how a library describes a model are not in it.
    """
    settings = {each.name: getattr(deciding, each.name) for each in fields(deciding) if each.name != "catalogue"}
    return {"version": FOLD_VERSION, "settings": settings, **deciding.catalogue.facts()}


def fold_digest(deciding: Deciding, pseudonym_fingerprint: str = "", control_mark: str = "") -> str:
    """``A-B``, each 16 hex digits: A of :func:`deciding_facts`, B of the two keys, half of it each.

    Without both keys, as for ``aggregate``, there is no B, and A alone is compared.
    """
    packed = msgspec.json.encode(deciding_facts(deciding), order="deterministic")
    facts_digest = hashlib.blake2b(packed, digest_size=8).hexdigest()
    keys = (pseudonym_fingerprint[:KEY_DIGITS], control_mark[:KEY_DIGITS])
    return f"{facts_digest}-{''.join(keys) if all(keys) else ''}"


def deciding_part(digest: str) -> str:
    """Of a digest what both workers know: the part before the dash."""
    return digest.partition("-")[0]


def key_parts(digest: str) -> tuple[str, str]:
    """Of a digest the fingerprints of the pseudonym key and of the control key, each "" where it has none."""
    keys = digest.partition("-")[2]
    return keys[:KEY_DIGITS], keys[KEY_DIGITS:]
