"""What a worker gives to each of its owners."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.core.shared.store import OwnStore
from pipeline.kafka.appender import Appender
from pipeline.kafka.reader import LogReader
from pipeline.operations import Operations
from pipeline.settings.settings import Settings
from pipeline.worker.lease import Lease
from schemas.flow import Kind
from schemas.topics import topic_name

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """What every owner of a worker is given. ``committed`` tells the group's commit of a partition, None without."""

    kind: Kind
    settings: Settings
    appender: Appender
    lease: Lease
    reader: LogReader
    operations: Operations
    committed: Callable[[int], int | None]
    failed: Callable[[BaseException], None]
    accept_gap: bool
    wall: Callable[[], float] = time.time
    at: Callable[[str], None] = lambda _name: None
    """Called at each of the points of :mod:`pipeline.worker.failpoints`."""
    store: Callable[[int], OwnStore | None] = lambda _partition: None
    """An empty store for an assignment of a partition, None where state lies in memory."""

    whole_end: Callable[[str, int], Awaitable[int]] | None = None
    """Tells where a partition ends, open transactions included; None where nobody looks for those."""

    def topic(self, short: str) -> str:
        """The full name of a topic of the table."""
        return topic_name(self.settings.topic_prefix, short)
