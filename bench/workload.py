"""The one workload: contract events of a seed, single records of 200 to 300 bytes or batch records of many."""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import orjson
from aiokafka import AIOKafkaProducer

from agents.core.shared.home import home
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant

__all__ = ["Record", "Workload", "append_all", "load", "records"]

Record = tuple[int, bytes, bytes]
"""Partition, key, value."""
_BATCH_BYTES = 1 << 19
_KINDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("message.sent", {"role": "user"}),
    ("message.sent", {"role": "assistant"}),
    ("message.sent", {"role": "assistant"}),
    ("prompt.submitted", {"assistant": "writer", "module": "chat"}),
    ("prompt.submitted", {"assistant": "coder", "module": "search"}),
    ("chat.created", {}),
)


@dataclass(frozen=True, slots=True)
class Workload:
    """``events`` over one day up to ``end`` (ms); companies and users after Pareto, ``sources`` a company.

    Each event is up to ``disorder`` - 1 whole hours older than its place: so many hours are open at once.
    """

    end: int
    events: int = 1_000_000
    companies: int = 100
    users: int = 10_000
    sources: int = 2
    batch: int = 1
    partitions: int = 4
    seed: int = 1
    disorder: int = 1


def records(workload: Workload) -> Iterator[Record]:
    """The records in the order in which they are sent: numbered by source, none twice, none late."""
    rng = random.Random(workload.seed)
    share = max(1, workload.users // workload.companies)
    companies = [f"company-{number}" for number in range(workload.companies)]
    weights = list(accumulate(1 / (number + 1) for number in range(workload.companies)))
    homes = {company: home(company.encode(), workload.partitions) for company in companies}
    numbers: dict[tuple[str, int], int] = {}
    start = workload.end - DAY_MS
    for made in range(0, workload.events, workload.batch):
        company = rng.choices(companies, cum_weights=weights)[0]
        events = []
        for at in range(min(workload.batch, workload.events - made)):
            source = rng.randrange(workload.sources)
            number = numbers.get((company, source), 0)
            numbers[company, source] = number + 1
            kind, data = rng.choice(_KINDS)
            moment = start + DAY_MS * (made + at) // workload.events
            if workload.disorder > 1:
                moment -= rng.randrange(workload.disorder) * HOUR_MS
            events.append(
                {
                    "specversion": "1.0",
                    "id": f"{source}-{number}",
                    "source": f"site-{source}.{company}",
                    "type": kind,
                    "time": instant(moment, fraction=True),
                    "company": company,
                    "sequence": str(number),
                    "data": {"user": f"user{int(rng.random() ** 2 * share)}@example.org", **data},
                }
            )
        yield homes[company], company.encode(), orjson.dumps(events[0] if workload.batch == 1 else events)


async def load(brokers: str, topic: str, workload: Workload) -> int:
    """Append the workload to ``topic``, in large batches; returns its bytes (values only)."""
    return await append_all(brokers, topic, workload.partitions, records(workload))


async def append_all(brokers: str, topic: str, partitions: int, made: Iterable[Record]) -> int:
    """Append records to ``topic``, in large batches; returns their bytes (values only)."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", max_request_size=2 << 20, max_batch_size=1 << 20)
    await producer.start()
    try:
        open_batches = {partition: producer.create_batch() for partition in range(partitions)}
        sizes = dict.fromkeys(open_batches, 0)
        total = 0
        stamp = int(time.time() * 1000)
        for partition, key, value in made:
            total += len(value)
            if sizes[partition] + len(value) > _BATCH_BYTES:
                await (await producer.send_batch(open_batches[partition], topic, partition=partition))
                open_batches[partition], sizes[partition] = producer.create_batch(), 0
            open_batches[partition].append(key=key, value=value, timestamp=stamp)
            sizes[partition] += len(value) + 100
        for partition, batch in open_batches.items():
            if batch.record_count():
                await (await producer.send_batch(batch, topic, partition=partition))
        return total
    finally:
        await producer.stop()
