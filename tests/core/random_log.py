"""Random raw logs near every edge, from a seed."""

import json
import random
from dataclasses import replace
from typing import Any

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle.homes import home_of
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from tests.control_kit import digest_of, signed
from tests.meters import METERS

__all__ = ["ANNOUNCED", "BOUNDED", "DECIDING", "PARTITIONS", "random_log"]

PARTITIONS = 2
START = 1793491200000  # 2026-11-01
DECIDING = replace(Deciding(), lateness=3 * DAY_MS, max_series=2, partitions=PARTITIONS, catalogue=METERS)
BOUNDED = replace(
    DECIDING,
    max_sources=3,
    max_incarnations=4,
    max_intervals=4,
    max_words=3,
    max_new_companies=1,
    max_users=2,
    max_company_series=9,
)
ANNOUNCED = digest_of(replace(DECIDING, lateness=2 * DAY_MS))
"""By control records, after which a fold goes on here as a worker would not."""
COMPANIES = ["acme", "beta", "c-3"]
KINDS = [
    "message.sent",
    "prompt.submitted",
    "app.started",
    "consent.changed",
    "feedback.given",
    "user.created",
    "file.uploaded",
    "call.ended",
]


def _event(choose: random.Random, now: int) -> dict[str, Any]:
    behind = choose.choice([0, 0, 0, 0, 0, 1, HOUR_MS, 30 * HOUR_MS, 3 * DAY_MS, 3 * DAY_MS + 1, -600_000, -600_001])
    kind = choose.choice(KINDS)
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"i{choose.randrange(12)}",
        "source": choose.choice(["s1", "s2", "s1#a", "s3#a", "s3#b", "s4", "s5#c"]),
        "type": kind,
        "company": choose.choice(COMPANIES),
        "time": instant(now - behind, fraction=True),
        "data": _data(choose),
    }
    if choose.random() < 0.6:
        found["data"]["user"] = f"u{choose.randrange(4)}"
    if choose.random() < 0.6:
        found["sequence"] = choose.randrange(200)
    if choose.random() < 0.4:
        found["installation"] = choose.choice(["s1", "p1", "s1#z", "p1#y"])
    if choose.random() < 0.03:
        del found[choose.choice(["id", "time", "company"])]
    if choose.random() < 0.02:
        found[choose.choice(["source", "installation"])] = "#x"
    return found


def _data(choose: random.Random) -> dict[str, Any]:
    """The fields of every type in one, but for the user."""
    return {
        "role": choose.choice(["user", "user", "assistant"]),
        "assistant": "a",
        "module": choose.choice(["m1", "m2", "m3"]),
        "application": "x",
        "version": choose.choice(["1", "2", "3"]),
        "environment": "e",
        "sentiment": choose.choice(["positive", "negative"]),
        "scope": choose.choice(["platform", "app"]),
        "granted": choose.random() < 0.6,
        "kind": choose.choice(["k1", "k2", "k3"]),
        "bytes": choose.choice([0, 0, 1, 7, 10**12]),
        "visibility": choose.choice(["private", "shared"]),
        "protocol": choose.choice(["sip", "h323", None]),
        "duration": choose.choice([0, 3, 40, 99, 100, 101, 5000, 5049, 5100]),
        "encrypted": choose.choice([True, False, None]),
        "participants": choose.choice([1, 2, 300, None]),
    }


def _of_ours(choose: random.Random) -> tuple[bytes | None, None, tuple[tuple[str, bytes | None], ...]]:
    """A tick or a control record, genuine ones to be signed, stale and forged ones."""
    key = choose.choice([None, None, b"", b"acme"])
    more = choose.choice([(), (), (), (("more", b""),)])
    if choose.random() < 0.6:
        return key, None, (("footfall-tick", choose.choice([b"due", b"stale", b"1", None])), *more)
    text = choose.choice([ANNOUNCED.encode(), ANNOUNCED.encode(), b"acme wants it", b"\xff"])
    return key, None, (("footfall-fold", text), *more)


def random_log(seed: int, count: int = 250, *, sign: bool = True) -> list[StoredRecord]:
    """Near every edge: duplicates, late ones, clocks ahead, words of consent, batches, wrong keys, ticks, jumps.

    Without ``sign`` ticks and control records are left to be signed, see :mod:`tests.control_kit`.
    """
    choose, of_ours = random.Random(seed), random.Random(f"of ours {seed}")
    now, ends = START + 20 * DAY_MS, [0] * PARTITIONS
    found: list[StoredRecord] = []
    for _ in range(count):
        now += (
            choose.choice([1, 1000, 60_000, 60_000, HOUR_MS, 5 * HOUR_MS, 20 * HOUR_MS]) if choose.random() < 0.7 else 0
        )
        one = _event(choose, now)
        batch = [_event(choose, now) | {"company": "acme"} for _ in range(choose.randrange(4))]
        value: Any = batch if choose.random() < 0.1 else one
        company = "acme" if isinstance(value, list) else value.get("company", "acme")
        partition = home_of(company.encode(), PARTITIONS)
        key: bytes | None = company.encode() if choose.random() < 0.97 else b"other"
        headers: tuple[tuple[str, bytes | None], ...] = ()
        raw: bytes | None = json.dumps(value).encode()
        if choose.random() < 0.04:
            key, raw, headers = None, None, (("footfall-tick", b"due"),)
        if of_ours.random() < 0.03:
            key, raw, headers = _of_ours(of_ours)
        if key is not None and home_of(key, PARTITIONS) != partition:
            key = company.encode()
        unreadable = None
        if choose.random() < 0.03:
            key, raw, headers, unreadable = None, None, (), ends[partition]
        append_time = now - choose.choice([0, 0, 5000])
        found.append(StoredRecord(partition, ends[partition], append_time, key, raw, headers, unreadable))
        ends[partition] += 1
    return signed(found, DECIDING, PARTITIONS) if sign else found
