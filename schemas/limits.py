"""The contract's limits (design 1.2, 1.4), in bytes, events, levels and milliseconds."""

from typing import Final

__all__ = [
    "COMPANY_PATTERN",
    "DAY_MS",
    "DIMENSION_PATTERN",
    "HOUR_MS",
    "MAX_DEPTH",
    "MAX_EVENTS",
    "MAX_NAME_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_SEQUENCE",
    "MAX_YEAR",
    "MIN_YEAR",
    "OTHER",
    "SECOND_MS",
]

SECOND_MS: Final = 1000
HOUR_MS: Final = 3600 * SECOND_MS
DAY_MS: Final = 24 * HOUR_MS

MAX_RECORD_BYTES: Final = 1_000_000
"""Key, value and headers together, uncompressed."""
MAX_EVENTS: Final = 10_000
MAX_DEPTH: Final = 64
"""Levels of arrays and objects, the outermost counted."""
MAX_NAME_BYTES: Final = 1024
"""UTF-8 bytes of ``id``, ``source``, ``installation`` and ``user``."""
MAX_SEQUENCE: Final = 2**63 - 1
MIN_YEAR: Final = 2000
MAX_YEAR: Final = 2999

COMPANY_PATTERN: Final = r"[A-Za-z0-9._-]{1,128}"
DIMENSION_PATTERN: Final = r"[A-Za-z0-9._+-]{1,64}"
OTHER: Final = "~other"
"""What every dimension of a combination past ``max_series`` becomes; no producer can send it."""
