"""The owners as the scheduler drives them: themselves, save that what time and fetching decide is up to it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.core.shared.records import RawRecord
from agents.core.shared.standby import Standby
from pipeline.errors import StartupError
from pipeline.kafka.appender import ForeignWriteError, ProduceError
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.lease import Lease
from pipeline.worker.owner import Owner
from pipeline.worker.raw_owner import RawOwner
from tests.protocol.memory import Gate, Log

__all__ = ["CleanTenure", "Manner", "NoOperations", "RawTenure", "Scheduled", "Tenure", "live"]

_LONG_AGO, _JUST_NOW = -1e9, 1e18


class Manner(NamedTuple):
    """How an owner whose turn it is goes on: what pauses and fetches decide in a worker."""

    chunk: int = 6
    """Records that are fetched at most, 0: none in time."""
    again: int = 0
    """How many of them lie before the position: the fetch was under way before the seek."""
    emits: bool = True
    looks: bool = True
    """Whether the pauses before the next emission and the next look at ends are over."""
    commits: bool = True


class Scheduled(Owner[Any]):
    """Takes its turns from a gate; the real loop, ``_run``, calls ``_next``."""

    gate: Gate
    log_read: Log
    whole_digest: str
    """The one that it folds under."""
    manner: Callable[[], Manner]
    committing: Callable[[int], None]
    compacted_before = 0
    sink_compacted_before = 0

    async def _next(self) -> Iterable[Sequence[Any]]:
        await self.gate.step("turn")
        if self._closing.is_set():
            return ()
        manner = self.manner()
        self._checked_at = _LONG_AGO if manner.looks else _JUST_NOW
        self.temper(emits=manner.emits)
        if manner.commits and self.position > 0:
            await self.commit(self.position)
        start = self.position - manner.again
        found = [record for record in self.log_read.records if record.offset >= start]
        return [[self.fetched(record) for record in found[: manner.chunk]]] if manner.chunk and found else ()

    async def commit(self, position: int) -> None:
        """As the worker does for lag tools, while it goes on."""
        await self.gate.step("commit")
        self.committing(position)

    async def check_foreign(self) -> None:
        await super().check_foreign()
        self.verified()

    def verified(self) -> None:
        """Everything so far is our own: what will be old enough for the cleaner."""
        self.compacted_before = self.changelog.end

    def temper(self, *, emits: bool) -> None:
        raise NotImplementedError

    def fetched(self, record: Any) -> Any:
        raise NotImplementedError


class RawTenure(Scheduled, RawOwner):
    """The owner itself, with the tick's pause taken from it, since time is the scheduler's."""

    def temper(self, *, emits: bool) -> None:
        self._ticked_at = _LONG_AGO

    def fetched(self, record: Any) -> RawRecord:
        found: RawRecord = record
        return found


class CleanTenure(Scheduled, CleanOwner):
    """The owner itself, that emits when the scheduler likes."""

    def verified(self) -> None:
        super().verified()
        self.sink_compacted_before = self.sink.end

    def temper(self, *, emits: bool) -> None:
        self._emitted_at = _LONG_AGO if emits else _JUST_NOW

    def fetched(self, record: Any) -> tuple[int, bytes]:
        return record.offset, record.value


class NoOperations:
    """Whatever is told, nobody listens."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_more: None


@dataclass(slots=True, eq=False)
class Tenure:
    """One owner of one partition, from its recovery to its end; ``clock`` is that of its lease, which runs out at 1."""

    kind: str
    partition: int
    gate: Gate
    owner: Scheduled
    awake: bool = True
    closing: bool = False
    clock: float = 0.0
    lease: Lease = field(init=False)
    out_of_lease: bool = False
    error: BaseException | None = None
    task: "asyncio.Task[None]" = field(init=False)
    closer: "asyncio.Task[None] | None" = None
    standby: Standby | None = None
    former: Any = None
    """What its recovery begins with."""

    def fail(self, error: BaseException) -> None:
        if self.error is None and not isinstance(error, asyncio.CancelledError):
            self.error = error


async def live(tenure: Tenure, survey: Scheduled | None) -> None:
    """As a worker does with its partitions: look at them when it starts, restore, run."""
    try:
        if survey is not None:
            await survey.survey()
        await tenure.owner.restore(tenure.standby, tenure.former)
    except (ProduceError, ForeignWriteError, StartupError) as error:
        tenure.fail(error)
        return
    tenure.owner.verified()
    tenure.owner.begin()
    await tenure.owner._task
