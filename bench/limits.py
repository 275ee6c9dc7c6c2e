"""Single steps of the way alone, on the same bytes in one process: the bounds of what a worker can reach."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.core.accept.fast_decode import decode
from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord
from bench.workload import Workload, records
from schemas.deciding import Deciding
from schemas.wire.clean import decode_chunk, encode_chunk

__all__ = ["Step", "fetch_alone", "steps_alone"]

_CHUNK = 4000


@dataclass(frozen=True, slots=True)
class Step:
    """CPU seconds that ``events`` took."""

    name: str
    events: int
    seconds: float

    @property
    def per_million(self) -> float:
        """CPU seconds for a million events."""
        return self.seconds / self.events * 1e6


def steps_alone(workload: Workload) -> list[Step]:
    """Decode alone, the first fold, and the second, in memory; each on the same records."""
    raw = [RawRecord(offset, workload.end, key, value, ()) for offset, (_, key, value) in enumerate(records(workload))]
    began = time.process_time()
    for record in raw:
        decode(record)
    found = [Step("decode alone", workload.events, time.process_time() - began)]
    deciding = Deciding()
    fold = AnonymizeFold(deciding, Pseudonyms(bytes(32)), topic="raw", partition=0, partitions=1, digest="none")
    encoded: list[bytes] = []
    found.append(Step("first fold alone", workload.events, _timed(lambda: _fold_raw(fold, raw, encoded))))
    second = AggregateFold(deciding, 0)
    found.append(Step("second fold alone", workload.events, _timed(lambda: _fold_clean(second, encoded))))
    return found


def _timed(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _fold_raw(fold: AnonymizeFold, raw: Sequence[RawRecord], encoded: list[bytes]) -> None:
    at = 0
    while at < len(raw):
        folded = fold.fold(raw[at : at + _CHUNK])
        at += folded.count
        encoded.append(encode_chunk(folded.chunk))


def _fold_clean(fold: AggregateFold, encoded: Sequence[bytes]) -> None:
    for offset, value in enumerate(encoded):
        for _ in fold.fold([(offset, decode_chunk(value))]):
            pass


async def fetch_alone(brokers: str, topic: str, workload: Workload) -> Step:
    """The client's fetch doing nothing with what it brings."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, group_id=None, enable_auto_commit=False, max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(workload.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        wanted, count = -(-workload.events // workload.batch), 0
        began = time.process_time()
        while count < wanted:
            fetched = await consumer.getmany(timeout_ms=1000, max_records=_CHUNK)
            count += sum(map(len, fetched.values()))
        return Step("client fetch alone", workload.events, time.process_time() - began)
    finally:
        await consumer.stop()
