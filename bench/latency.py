"""From an event's append to the first sight of a figure that counts it, for each event of a steady load.

A figure's value says how many of its events are in it, and a company's events are in one order. So the event that is a
figure's hundredth is in the sink when its value is a hundred, and no probe is needed. Times are the broker's at append
and this process's when a reader of committed records gets the figure; both are of one machine.
"""

import asyncio
import secrets
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from bench.peers.catalogue import Peer, Run
from bench.peers.expected import expected_figures, hourly_figures
from bench.peers.figures import Reader, TopicSink, create_sink, number_of, watched
from bench.peers.running import started
from bench.workload import Record

__all__ = ["Latency", "measure_latency"]

_DEADLINE = 120.0
_TICK = 0.02
_FIRST = 1000
"""Records sent ahead; what they come to shows that the system is at work."""
_BATCH_BYTES, _RECORD_BYTES = 1 << 20, 64
"""Of one batch, and of a record beside its key and value."""
_WARM = 0.4
"""Share of the load before which times do not count."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, of ``events`` events at ``rate`` a second; a system that came to no right sink has a problem instead."""

    rate: float
    events: int = 0
    p50: float = 0
    p95: float = 0
    p99: float = 0
    problem: str = ""


@dataclass(slots=True)
class _Seen:
    """Values of a figure in the order of their arrival, each greater than the one before, and when they came."""

    values: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, value: int, now: float) -> None:
        if not self.values or value > self.values[-1]:
            self.values.append(value)
            self.times.append(now)

    def since(self, value: int) -> float | None:
        """When the figure was first seen to be ``value`` or more; None where it was not."""
        at = bisect_left(self.values, value)
        return self.times[at] if at < len(self.times) else None


async def measure_latency(
    peer: Peer,
    brokers: str,
    raw: str,
    folder: Path,
    load: Sequence[Record],
    rate: float,
    *,
    partitions: int,
    batch: int,
    own_sink: tuple[str, Reader] | None = None,
) -> Latency:
    """Start a prepared peer on the empty topic ``raw`` and append ``load`` to it at ``rate`` events a second."""
    app = f"peer-{secrets.token_hex(4)}"
    sink_topic, read = own_sink or (f"{app}-figures", number_of)
    if own_sink is None:
        await create_sink(brokers, sink_topic, partitions)
    run = Run(brokers, raw, sink_topic, folder / app, app, secrets.token_hex(32), partitions)
    expected = await asyncio.to_thread(expected_figures, load)
    history: dict[str, _Seen] = {}
    async with watched(brokers, sink_topic, partitions, read) as sink:
        with started(peer.commands(run)):
            feeding = asyncio.create_task(_feed(brokers, raw, load, rate / batch, history))
            try:
                await _watch(sink, history, expected, feeding)
            except TimeoutError:
                return Latency(rate, problem="its sink was not right in time")
            finally:
                feeding.cancel()
    appended = feeding.result()
    return await asyncio.to_thread(_latency, rate, load, appended, history)


async def _watch(sink: TopicSink, history: dict[str, _Seen], expected: object, feeding: "asyncio.Task[object]") -> None:
    """Read on until everything is in the sink; raises TimeoutError, or what the feeding raised."""
    until = time.monotonic() + _DEADLINE
    while not (feeding.done() and sink.figures == expected):
        if feeding.done():
            feeding.result()
        if time.monotonic() > until:
            raise TimeoutError
        await sink.poll()
        now = time.time()
        for figure, value in sink.latest.items():
            history.setdefault(figure, _Seen()).add(value, now)


async def _feed(
    brokers: str, topic: str, load: Sequence[Record], rate: float, history: dict[str, _Seen]
) -> list[float]:
    """Append ``rate`` records a second; the append time of each, in seconds since 1970."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", max_request_size=2 << 20, max_batch_size=2 << 20)
    await producer.start()
    under_way: list[tuple[list[int], asyncio.Future[RecordMetadata]]] = []

    async def put(begin: int, end: int) -> None:
        for partition, places in _batches(load, begin, end):
            batch = producer.create_batch()
            for place in places:
                batch.append(key=load[place][1], value=load[place][2], timestamp=None)
            under_way.append((places, await producer.send_batch(batch, topic, partition=partition)))

    try:
        sent = min(_FIRST, len(load))
        await put(0, sent)
        while not history:  # noqa: ASYNC110 - filled by whoever reads the sink, who has the deadline
            await asyncio.sleep(_TICK)
        began, ahead = time.monotonic(), sent
        while sent < len(load):
            due = min(len(load), ahead + int((time.monotonic() - began) * rate))
            await put(sent, due)
            sent = due
            await asyncio.sleep(_TICK)
        answers = await asyncio.gather(*(answer for _, answer in under_way))
    finally:
        await producer.stop()
    appended = [0.0] * len(load)
    for (places, _), answer in zip(under_way, answers, strict=True):
        for place in places:
            appended[place] = answer.timestamp / 1000
    return appended


def _batches(load: Sequence[Record], begin: int, end: int) -> Iterator[tuple[int, list[int]]]:
    """Partition and places of the records of each batch, in the order of the load within a partition."""
    waiting: dict[int, list[int]] = {}
    sizes: Counter[int] = Counter()
    for place in range(begin, end):
        partition, key, value = load[place]
        size = len(key) + len(value) + _RECORD_BYTES
        if sizes[partition] + size > _BATCH_BYTES and partition in waiting:
            yield partition, waiting.pop(partition)
            sizes[partition] = 0
        waiting.setdefault(partition, []).append(place)
        sizes[partition] += size
    yield from waiting.items()


def _latency(rate: float, load: Sequence[Record], appended: list[float], history: dict[str, _Seen]) -> Latency:
    counted: Counter[str] = Counter()
    found: list[float] = []
    warm = int(len(load) * _WARM)
    for place, record in enumerate(load):
        for figure in hourly_figures(record):
            counted[figure] += 1
            if place >= warm:
                seen = history[figure].since(counted[figure])
                if seen is None:
                    return Latency(rate, problem=f"an event is in no figure of {figure}")
                found.append(max(0.0, seen - appended[place]))
    found.sort()
    p50, p95, p99 = (found[min(len(found) - 1, int(len(found) * share))] for share in (0.5, 0.95, 0.99))
    return Latency(rate, len(found), p50, p95, p99)
