"""The fold digest in force: who looks at it, and the control records that change it (design 1.7)."""

from collections.abc import AsyncIterator

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from agents.core.anonymizing import FOLD_HEADER
from agents.core.records import RawRecord
from pipeline.broker.admin import admin
from pipeline.broker.topics import failed, required_brokers
from pipeline.errors import Refused
from pipeline.kafka.consumer import BatchConsumer, batch_consumer, fetched
from pipeline.settings import Settings
from schemas.clean import CleanChunk, decode_chunk
from schemas.topics import topic_name

__all__ = ["append_bare", "fold", "other_digest"]


async def fold(settings: Settings, digest: str) -> int:
    """Append the control record of ``digest`` to each raw partition that is under another; returns to how many.

    A partition that nobody has folded yet and that no control record names is under none: its first worker's
    digest will be in force.
    """
    brokers = required_brokers(settings)
    async with admin(brokers):
        pass  # refuses where nothing answers, which the clients below would retry
    consumer = _looking(brokers)
    try:
        await consumer.start()
        try:
            under = [await _in_force(consumer, settings, number) for number in range(settings.partitions)]
        finally:
            await consumer.stop()
        changed = [number for number, current in enumerate(under) if current not in (None, digest)]
        if changed:
            await _append(brokers, topic_name(settings.topic_prefix, "raw"), changed, digest)
    except (KafkaError, TimeoutError) as error:
        raise failed("read and write the raw topic", error) from None
    return len(changed)


async def other_digest(settings: Settings, digest: str) -> Refused | None:
    """The refusal where the end of a raw partition, or of a clean one, is under another digest.

    Without a key fingerprint (``aggregate``, which may not read raw) only the last clean chunks are looked at, and
    only the part before the dash.
    """
    consumer = _looking(required_brokers(settings))
    with_raw = not digest.endswith("-")
    try:
        await consumer.start()
        for number in range(settings.partitions):
            if with_raw:
                found = await _in_force(consumer, settings, number)
            else:
                chunk, _ = await _last_chunk(
                    consumer, TopicPartition(topic_name(settings.topic_prefix, "clean"), number)
                )
                found = None if chunk is None else chunk.digest.split("-")[0] + "-"
            if found and found != digest:
                return Refused(
                    f"the fold digest in force in partition {number} is {found}, not {digest} of this worker",
                    "start it with what is in force, or announce this one by footfall topics fold",
                )
    except (KafkaError, TimeoutError) as error:
        raise failed("read the topics", error) from None
    finally:
        await consumer.stop()
    return None


def _looking(brokers: str) -> BatchConsumer:
    return batch_consumer(brokers, wait_ms=20)  # a fetch past a partition's end holds up the next partition's so long


async def _append(brokers: str, topic: str, partitions: list[int], digest: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for number in partitions:
            await append_bare(producer, topic, number, FOLD_HEADER, digest.encode())
    finally:
        await producer.stop()


async def append_bare(producer: AIOKafkaProducer, topic: str, partition: int, header: str, value: bytes) -> None:
    """Append a record without key and value whose only header is ``header``, and wait until it is acknowledged.

    A batch of its own, since the producer's ``send`` will not take a record without key and value.
    """
    batch = producer.create_batch()
    batch.append(key=None, value=None, timestamp=None, headers=[(header, value)])
    batch.close()
    await (await producer.send_batch(batch, topic, partition=partition))


async def _in_force(consumer: BatchConsumer, settings: Settings, number: int) -> str | None:
    """The digest that a raw partition's end is under, None where nobody has folded it; "" where nothing tells it.

    The last clean chunk holds the one after its range, so only what lies behind that range is read.
    """
    raw = TopicPartition(topic_name(settings.topic_prefix, "raw"), number)
    clean = TopicPartition(topic_name(settings.topic_prefix, "clean"), number)
    chunk, written = await _last_chunk(consumer, clean)
    current = chunk.digest if chunk is not None else ("" if written else None)
    start = max((await consumer.beginning_offsets([raw]))[raw], chunk.last + 1 if chunk is not None else 0)
    end = (await consumer.end_offsets([raw]))[raw]
    async for record in _records(consumer, raw, start, end):
        if record.key is None and record.value is None and len(record.headers) == 1:
            name, value = record.headers[0]
            if name == FOLD_HEADER and value:
                current = value.decode("ascii", "replace")
    return current


async def _last_chunk(consumer: BatchConsumer, clean: TopicPartition) -> tuple[CleanChunk | None, bool]:
    """The last chunk that is left, and whether there ever was one."""
    start = (await consumer.beginning_offsets([clean]))[clean]
    end = (await consumer.end_offsets([clean]))[clean]
    last: CleanChunk | None = None
    async for record in _records(consumer, clean, max(start, end - 1), end):
        try:
            last = decode_chunk(record.value or b"")
        except msgspec.MsgspecError:
            raise Refused(
                f"the last record of {clean.topic} partition {clean.partition} is no clean chunk",
                "find out who else writes to that topic",
            ) from None
    return last, end > 0


async def _records(
    consumer: BatchConsumer, partition: TopicPartition, start: int, end: int
) -> AsyncIterator[RawRecord]:
    """The records of ``partition`` from offset ``start`` to before ``end``."""
    if start >= end:
        return
    consumer.assign([partition])
    consumer.seek(partition, start)
    while await consumer.position(partition) < end:
        try:
            brought = await fetched(consumer, RawRecord)
        except OffsetOutOfRangeError:  # retention was faster
            start = (await consumer.beginning_offsets([partition]))[partition]
            consumer.seek(partition, start)
            continue
        for part in brought.get(partition, ()):
            for record in part:
                if record.offset < end:
                    yield record
