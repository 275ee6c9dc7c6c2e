"""A seeded load for the real broker, whose append times are the present: with every trouble."""

import json
import random
import time
import zlib
from collections import defaultdict
from typing import Any

from aiokafka import AIOKafkaProducer

from pipeline.proof.oracle.homes import home_of
from schemas.times import instant

__all__ = ["CANARY", "make_load", "publish"]

CANARY = "canary-7f3a"
_TYPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("message.sent", {"role": "user"}),
    ("message.sent", {"role": "assistant"}),
    ("prompt.submitted", {"assistant": "a1", "module": "m1"}),
    ("prompt.submitted", {"assistant": "a2", "module": "m1"}),
    ("chat.created", {}),
    ("space.created", {}),
    ("feedback.given", {"sentiment": "positive"}),
    ("folder.created", {"kind": "project"}),
    ("app.started", {"application": "web", "version": "1.2", "environment": "prod"}),
    ("user.created", {}),
)
Made = tuple[int, bytes | None, bytes]


def make_load(seed: int, count: int, partitions: int, now: float | None = None, first_sequence: int = 0) -> list[Made]:
    """(partition, key, value) of ``count`` records: duplicates, late, malformed, batches, consent, wrong partitions.

    Their times end at ``now`` (seconds); the numbers of each source begin at ``first_sequence``.
    """
    rng = random.Random(seed)
    now_ms = int((now or time.time()) * 1000)
    companies = [f"acme{number}" for number in range(6)]
    sequences: dict[tuple[str, str], int] = defaultdict(lambda: first_sequence)
    made: list[Made] = []
    for number in range(count):
        company = rng.choice(companies)
        draw = rng.random()
        if made and draw < 0.08:
            made.append(rng.choice(made[-50:] if draw < 0.04 else made))
            continue
        events = [
            _event(rng, company, sequences, now_ms - (count - number) * 400) for _ in range(rng.choice([1] * 9 + [7]))
        ]
        value = json.dumps(events[0] if len(events) == 1 else events).encode()
        if draw < 0.1:
            value = rng.choice(
                [value[:-3], b'{"user": "%s"}' % CANARY.encode(), b"", b"null", value.replace(b".", b"!", 1)]
            )
        key: bytes | None = company.encode()
        partition = home_of(company.encode(), partitions)
        if draw > 0.97:
            key = None if draw > 0.985 else key
            partition = zlib.crc32(company.encode()) % partitions
        made.append((partition, key, value))
    return made


def _event(rng: random.Random, company: str, sequences: dict[tuple[str, str], int], time_ms: int) -> dict[str, Any]:
    source = f"{CANARY}-source-{rng.randrange(3)}"
    draw = rng.random()
    if draw < 0.02:
        time_ms -= rng.randrange(30) * 86_400_000
    elif draw < 0.025:
        time_ms -= 40 * 86_400_000
    elif draw < 0.03:
        time_ms += 86_400_000
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{rng.getrandbits(64):x}",
        "source": source,
        "time": instant(time_ms, fraction=True),
        "company": company,
    }
    if not source.endswith("2"):
        event["sequence"] = sequences[company, source]
        sequences[company, source] += 1
    if draw > 0.99:
        event |= {"type": "consent.changed", "data": {"scope": "platform", "granted": rng.random() < 0.6}}
        return event
    name, data = rng.choice(_TYPES)
    event |= {"type": name, "data": data | {"text": f"{CANARY} said so"}}
    if rng.random() < 0.9:
        event["data"]["user"] = f"{CANARY}-user-{int(rng.paretovariate(1.2)) % 40}@example.org"
    return event


async def publish(brokers: str, topic: str, load: list[Made], patience_seconds: float = 40, label: str = "") -> None:
    """Append the records in order, each partition's by one producer; brokers may be away for ``patience_seconds``.

    With a ``label`` each record has a header ``load`` of its own, the label and its place in the load.
    """
    patience = int(patience_seconds * 1000)
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", enable_idempotence=True, request_timeout_ms=patience
    )
    try:
        await producer.start()
        sent = [
            await producer.send(
                topic,
                value,
                key=key,
                partition=partition,
                headers=[("load", f"{label}/{number}".encode())] if label else None,
            )
            for number, (partition, key, value) in enumerate(load)
        ]
        for each in sent:
            await each
    finally:
        await producer.stop()
