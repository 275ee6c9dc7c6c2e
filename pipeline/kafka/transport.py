"""A Faust transport that hands over one message per partition and fetch, and lets the state say where to read on.

``footfall://host:port`` names it (entry point ``faust.transports``). Faust's cost is per message (design 2.2), so a
message's value is the list of fetched batches, not yet read; its offset is the last one of the last.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

import aiokafka
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.kafka.batch import Batch
from pipeline.kafka.clients import group_consumer, producer
from pipeline.kafka.patches.group import renew_by_heartbeats, report_errors

__all__ = ["Consumer", "FetchedChunk", "Producer", "Transport", "connected"]

_HEARTBEATS = 10
"""In a session timeout."""
_FETCH_BYTES = 4 << 20
_APPEND_TIME = 1
"""Kafka's number of that type of time: every topic of ours has it."""
_CONNECT_SECONDS = 15.0
_RETRY_SECONDS = 0.5


class FetchedChunk(NamedTuple):
    """What one fetch brought of one partition, with the attributes that Faust asks of a record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    value: list[Batch]
    key: None = None
    headers: tuple[()] = ()
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The driver's thread with our own consumer settings, chunked fetches, and heartbeats that renew the lease."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        session = int(conf.broker_session_timeout * 1000)
        placing = cast("Any", self.app).footfall_assignor
        consumer = group_consumer(
            cast("Any", self.app).footfall_connection,
            conf.id,
            placing,
            client_id=conf.broker_client_id,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=2**31 - 1,  # the lease and readiness watch us, on a finer scale
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=4 * _FETCH_BYTES,
            fetch_max_wait_ms=250,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=session,
            rebalance_timeout_ms=max(session, 60_000),
            heartbeat_interval_ms=session // _HEARTBEATS,
            check_crcs=True,
        )
        self._assignor = placing
        return consumer

    async def on_start(self) -> None:
        """Start, and wrap the coordinator's heartbeat: aiokafka does not tell when one was answered."""
        app: Any = self.app
        await connected(super().on_start, lambda: self._ensure_consumer().stop(), app.footfall_failed)
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - there is no public way to it
        renew_by_heartbeats(coordinator, app.footfall_lease, app.footfall_leave_on_exit)
        report_errors(coordinator, app.footfall_failed)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False where the group does not take it now, as while it rebalances.

        The driver would end the app, for an offset that lag tools alone look at; it is told again with the next turn.
        """
        consumer = self._ensure_consumer()
        mine = consumer.assignment()
        offsets = {
            aiokafka.TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if aiokafka.TopicPartition(tp.topic, tp.partition) in mine
        }
        if not offsets:
            return False
        try:
            await consumer.commit(offsets)
        except (KafkaError, IllegalStateError):
            return False
        return True

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - the driver's signature
        max_records: int | None = None,
    ) -> Any:
        try:
            fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        except NoOffsetForPartitionError:  # the position comes from the state, with perform_seek
            return {}
        return {tp: [_chunk(tp, batches)] for tp, batches in fetched.items() if batches}


def _chunk(tp: TP, batches: list[Batch]) -> FetchedChunk:
    last = batches[-1].stored
    return FetchedChunk(tp.topic, tp.partition, last.last, last.append_time, _APPEND_TIME, batches)


async def connected(
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    failed: Callable[[BaseException], None],
    patience: float = _CONNECT_SECONDS,
) -> None:
    """``start`` a client, for ``patience`` seconds again where it cannot connect; then it has ``failed``.

    Faust would end the app at the first error, with a traceback for each service on the way.
    """
    until = time.monotonic() + patience
    while True:
        try:
            await start()
        except (KafkaError, OSError) as error:
            await stop()
            if time.monotonic() >= until:
                failed(error)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


class Consumer(driver.Consumer):
    """The driver's consumer, whose positions come from the state and never from the group."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def commit_positions(self, positions: Mapping[TP, int]) -> bool:
        """Commit, whatever Faust knows to be acknowledged; False where the group does not take it now."""
        return bool(await self._thread.commit(dict(positions)))

    async def perform_seek(self) -> None:
        """Seek every assigned partition to where its state reads on; called before fetching is resumed."""
        await self.move(await cast("Any", self.app).footfall_positions())

    async def move(self, positions: Mapping[TP, int]) -> None:
        """Read on at ``positions``; raises IllegalStateError for a partition that is not assigned."""
        await self.seek_wait(dict(positions))
        for tp, position in positions.items():
            self._read_offset[tp] = position or None
            self._committed_offset[tp] = position or None

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: readiness tells of a partition that stands still."""


class Producer(driver.Producer):
    """The driver's producer, which Faust starts; nothing is written with it."""

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        return producer(cast("Any", self.app).footfall_connection, client_id=self.client_id)

    async def on_start(self) -> None:
        """Start, again where it cannot connect."""
        await connected(super().on_start, lambda: self._ensure_producer().stop(), cast("Any", self.app).footfall_failed)


class Transport(driver.Transport):
    """Registered as ``footfall``."""

    Consumer = Consumer
    Producer = Producer
    driver_version = f"footfall, aiokafka={aiokafka.__version__}"
