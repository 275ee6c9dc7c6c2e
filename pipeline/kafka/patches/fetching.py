"""The client's fetcher made to hand over batches as they lie on the broker, in place of records that it has read.

The client has no hook for that: the methods of its that make records are called with other classes in place of those
that they look up (:mod:`.substituting`). What a transaction aborted and markers are left out here.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, PartitionRecords
from aiokafka.errors import CorruptRecordException

from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import HEADER_BYTES, LENGTH, Batch, Head
from pipeline.kafka.block_records import walk
from pipeline.kafka.codecs import UnreadableError
from pipeline.kafka.patches.substituting import looking_up

__all__ = ["BatchConsumer", "BatchFetcher", "FetchedBatches", "WholeBatches"]

_ABORTED: Final = b"\x00\x00"
"""The kind in a marker's key, which its version goes before."""


class WholeBatches:
    """The whole batches of a fetch; in place of the client's ``MemoryRecords``, with what its fetcher asks of that."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def __iter__(self) -> Iterator[memoryview]:
        at = 0
        while (end := self._end(at)) is not None:
            if end - at < HEADER_BYTES:
                raise CorruptRecordException("a batch is shorter than its header")
            yield self._data[at:end]
            at = end

    def _end(self, at: int) -> int | None:
        """Where the batch that begins at ``at`` ends, None where it is not whole."""
        if len(self._data) - at < LENGTH.size:
            return None
        end: int = at + LENGTH.size + max(LENGTH.unpack_from(self._data, at)[1], 0)
        return end if end <= len(self._data) else None

    def has_next(self) -> bool:
        """Whether there is a whole batch."""
        return self._end(0) is not None

    def size_in_bytes(self) -> int:
        """Of all that was fetched."""
        return len(self._data)


_NOTHING: Final = (-1, -1)


class FetchedBatches(PartitionRecords):  # type: ignore[misc]
    """What a fetch brought of one partition, in place of the client's; yields :class:`Batch`.

    Raises CorruptRecordException for a batch that was damaged.
    """

    _records: WholeBatches
    next_fetch_offset: int

    def __init__(self, assignment: Any, tp: Any, *rest: Any) -> None:
        super().__init__(tp, *rest)
        self._position = assignment.state_value(tp)
        self._end: int = self._position.highwater

    def _unpack_records(self) -> Iterator[Batch]:
        since = self._since()
        for data in self._records:
            head = Head.of(data)
            if head.last >= self._end:  # the broker looks at the end before it reads: the next fetch tells a later one
                break
            batch = Batch.of(head, head.check_sum(data), self.next_fetch_offset, self._end, since)
            wanted = batch.stored.last >= batch.stored.least and not self._is_left_out(head, batch)
            self.next_fetch_offset = max(self.next_fetch_offset, batch.stored.last + 1)
            if wanted:
                since = self.next_fetch_offset
                yield batch
        self._position.footfall_left_out = (since, self.next_fetch_offset)

    def _since(self) -> int:
        """From where on nothing was handed over: what the fetch before left out at its end counts too."""
        since, end = getattr(self._position, "footfall_left_out", _NOTHING)
        return since if end == self.next_fetch_offset else self.next_fetch_offset

    def _is_left_out(self, head: Head, batch: Batch) -> bool:
        """Whether it is a marker, or of a transaction that was aborted; keeps account of those."""
        if self._isolation_level == READ_COMMITTED:
            self._consume_aborted_up_to(head.base)
            if head.is_control and _is_abort(batch):
                self._aborted_producers.discard(head.producer)
            if head.is_transactional and head.producer in self._aborted_producers:
                return True
        return head.is_control


def _is_abort(marker: Batch) -> bool:
    try:
        return any((record.key or b"")[2:4] == _ABORTED for record in walk(marker.block(), RawRecord))
    except UnreadableError:
        return False


class BatchFetcher(Fetcher):  # type: ignore[misc]
    """The client's fetcher, whose fetches hold batches."""

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        classes = {"MemoryRecords": WholeBatches, "PartitionRecords": partial(FetchedBatches, assignment)}
        return bool(await looking_up(Fetcher._proc_fetch_request, classes)(self, assignment, node_id, request))  # noqa: SLF001


class BatchConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """The client's consumer, which gives :class:`pipeline.kafka.batch.Batch` in place of records."""

    start = looking_up(AIOKafkaConsumer.start, {"Fetcher": BatchFetcher})
