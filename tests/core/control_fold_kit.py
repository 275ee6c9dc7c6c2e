"""The first fold under the keys of :mod:`tests.control_kit`, and raw records for it: events, ticks, control records."""

import json
from dataclasses import replace
from typing import Any

from agents.core.accept.fold import AnonymizeFold
from agents.core.shared.control import ControlKeys
from agents.core.shared.records import RawRecord
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.times import parse_time
from tests.control_kit import DIGEST, PREVIOUS, PSEUDONYMS, SECRET, TOPIC, digest_of, fold_text, tick_text
from tests.core.events_hostile import GOOD

__all__ = [
    "BOTH",
    "IDLE",
    "NOON",
    "OLD",
    "OLD_DIGEST",
    "PATIENT",
    "bare",
    "control",
    "fold_of",
    "good",
    "run",
    "tick",
]

NOON = parse_time("2026-11-10T12:00:00Z")
IDLE = Deciding().idle_after
OLD = ControlKeys(PREVIOUS)
BOTH = ControlKeys(SECRET, PREVIOUS)
OLD_DIGEST = digest_of(Deciding(), OLD)
USUAL = Deciding()
PATIENT = replace(USUAL, idle_after=HOUR_MS)


def fold_of(
    *, digest: str = DIGEST, keys: ControlKeys | None = BOTH, deciding: Deciding = USUAL, partition: int = 0
) -> AnonymizeFold:
    return AnonymizeFold(
        deciding,
        PSEUDONYMS,
        topic=TOPIC,
        partition=partition,
        partitions=1,
        digest=digest,
        control=keys,
        record_duplicates=True,
    )


def good(offset: int, append_time: int = NOON, **more: Any) -> RawRecord:
    event = GOOD | {"id": f"{offset}", "sequence": offset} | more
    return RawRecord(offset, append_time, event["company"].encode(), json.dumps(event).encode())


def bare(offset: int, name: str, text: bytes | None, append_time: int = NOON, key: bytes | None = None) -> RawRecord:
    return RawRecord(offset, append_time, key, None, ((name, text),))


def tick(offset: int, seen: int, append_time: int, key: bytes = SECRET) -> RawRecord:
    return bare(offset, "footfall-tick", tick_text(key, TOPIC, 0, seen), append_time)


def control(offset: int, digest: str, number: int, key: bytes = SECRET, append_time: int = NOON) -> RawRecord:
    return bare(offset, "footfall-fold", fold_text(key, TOPIC, 0, digest, number), append_time)


def run(fold: AnonymizeFold, records: list[RawRecord], size: int = 1000) -> list[Any]:
    found = []
    while records:
        found.append(fold.fold(records[:size]))
        records = records[found[-1].count :]
    return found
