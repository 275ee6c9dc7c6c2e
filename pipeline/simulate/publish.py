"""Appending simulated records to raw, with the flow bounded by what the broker acknowledges."""

import asyncio
from collections.abc import Callable, Iterable

from pipeline.kafka.clients import producer, started
from pipeline.settings.settings import Settings
from pipeline.simulate.plan import SimRecord, home_of_record
from schemas.topics import topic_name

__all__ = ["publish"]

_UNDER_WAY = 4000


async def publish(
    settings: Settings,
    records: Iterable[SimRecord],
    *,
    rate: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Append ``records`` in their order, at most ``rate`` a second; returns how many were acknowledged.

    ``progress`` is called with how many were handed over so far.
    """
    topic = topic_name(settings.topic_prefix, "raw")
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0
    where = settings.connection()
    async with started(producer(where, linger_ms=5, max_batch_size=1 << 18), where) as writer:
        under_way: list[asyncio.Future[object]] = []
        for record in records:
            partition = home_of_record(record, settings.partitions)
            under_way.append(await writer.send(topic, record.value, key=record.key, partition=partition))
            done += 1
            if len(under_way) >= _UNDER_WAY or (rate and done % max(1, int(rate / 20)) == 0):
                await asyncio.gather(*under_way)
                under_way.clear()
                if progress is not None:
                    progress(done)
                if rate:
                    await asyncio.sleep(max(0.0, began + done / rate - loop.time()))
        await asyncio.gather(*under_way)
        if progress is not None:
            progress(done)
    return done
