"""Random logs near every edge, cut, repeated and recovered at random: the folds equal the oracle."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from pipeline.oracle import expect
from pipeline.oracle.homes import home_of
from pipeline.reading import StoredRecord
from pipeline.verify import compare, last_is_highest
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from tests.core.world import World

PARTITIONS = 2
START = 1793491200000  # 2026-11-01
DECIDING = replace(Deciding(), lateness=3 * DAY_MS, max_series=2)
COMPANIES = ["acme", "beta", "c-3"]


def event(choose: random.Random, now: int) -> dict[str, Any]:
    behind = choose.choice([0, 0, 0, 0, 0, 1, HOUR_MS, 30 * HOUR_MS, 3 * DAY_MS, 3 * DAY_MS + 1, -600_000, -600_001])
    kind = choose.choice(
        ["message.sent", "prompt.submitted", "app.started", "consent.changed", "feedback.given", "user.created"]
    )
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"i{choose.randrange(12)}",
        "source": choose.choice(["s1", "s2"]),
        "type": kind,
        "company": choose.choice(COMPANIES),
        "time": instant(now - behind, fraction=True),
        "data": {
            "role": choose.choice(["user", "user", "assistant"]),
            "assistant": "a",
            "module": choose.choice(["m1", "m2", "m3"]),
            "application": "x",
            "version": choose.choice(["1", "2", "3"]),
            "environment": "e",
            "sentiment": choose.choice(["positive", "negative"]),
            "scope": choose.choice(["platform", "app"]),
            "granted": choose.random() < 0.6,
        },
    }
    if choose.random() < 0.6:
        found["data"]["user"] = f"u{choose.randrange(4)}"
    if choose.random() < 0.6:
        found["sequence"] = choose.randrange(200)
    if choose.random() < 0.4:
        found["installation"] = choose.choice(["s1", "p1"])
    if choose.random() < 0.03:
        del found[choose.choice(["id", "time", "company"])]
    return found


def log(seed: int) -> list[StoredRecord]:
    choose = random.Random(seed)
    now, ends = START + 20 * DAY_MS, [0] * PARTITIONS
    found: list[StoredRecord] = []
    for _ in range(250):
        now += (
            choose.choice([1, 1000, 60_000, 60_000, HOUR_MS, 5 * HOUR_MS, 20 * HOUR_MS]) if choose.random() < 0.7 else 0
        )
        one = event(choose, now)
        batch = [event(choose, now) | {"company": "acme"} for _ in range(choose.randrange(4))]
        value: Any = batch if choose.random() < 0.1 else one
        company = "acme" if isinstance(value, list) else value.get("company", "acme")
        partition = home_of(company.encode(), PARTITIONS)
        key: bytes | None = company.encode() if choose.random() < 0.97 else b"other"
        headers: tuple[tuple[str, bytes | None], ...] = ()
        raw: bytes | None = json.dumps(value).encode()
        if choose.random() < 0.04:
            key, raw, headers = None, None, (("footfall-tick", b"1"),)
        if key is not None and home_of(key, PARTITIONS) != partition:
            key = company.encode()
        found.append(StoredRecord(partition, ends[partition], now - choose.choice([0, 0, 5000]), key, raw, headers))
        ends[partition] += 1
    return found


@pytest.mark.parametrize("seed", range(40))
def test_random_logs(seed: int) -> None:
    stored = log(seed)
    expected = expect(stored, DECIDING, PARTITIONS, topic="footfall.raw.v1", record_duplicates=True)
    choose = random.Random(seed)
    world = World(DECIDING, PARTITIONS, lambda left: choose.randint(1, min(left, 40)))
    world.append(stored)
    for partition in range(PARTITIONS):
        while world.first_fold(partition).entry.fence + 1 < len(world.raw[partition]):
            world.anonymize(
                partition,
                chunks=choose.randint(1, 4),
                recover_each=seed % 3 == 0,
                lose_state=seed % 2 == 0 and choose.random() < 0.5,
            )
            if choose.random() < 0.3:
                world.aggregate(partition, recover_each=seed % 4 == 0)
        world.aggregate(partition)
    assert expected.counted > 50
    assert compare(world.figures(), expected.figures, sink_watermarks=False) == []
    sunk = [StoredRecord(0, at, 0, key, value, ()) for at, (key, value) in enumerate(world.sink)]
    assert last_is_highest(sunk) == []
    told = {(each.partition, each.offset, each.path, each.reason, each.company) for each in world.rejected}
    assert told == {(each.partition, each.offset, each.path, each.reason, each.company) for each in expected.rejections}
