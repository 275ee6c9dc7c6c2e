"""When a worker may join its group, while one release or one set of settings follows another (design 1.7)."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from pipeline.broker.begun import refused_partitions
from pipeline.broker.digests import refused_digest
from pipeline.broker.topics import partition_counts
from pipeline.errors import StartupError
from pipeline.preflight import Keys
from pipeline.settings.settings import Settings
from pipeline.worker.manager import Owners
from pipeline.worker.releases import Decision, Stand, Turn, decide
from schemas.deciding import deciding_part

__all__ = ["Turns"]

_PAUSE_SECONDS: Final = 2.0
_LOG_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 5.0
_COUNT_SECONDS: Final = 20.0
_ORDER: Final = (
    "start anonymize of this release first, then me again (without an announced change: other settings; see `topics"
    " fold`)"
)
_AS_ANONYMIZE: Final = "start aggregate with the release and the settings that worker anonymize has"


class Turns:
    """Of one worker; ``keys`` are None of ``aggregate``, which compares only what both workers know."""

    def __init__(self, settings: Settings, keys: Keys | None, owners: Owners) -> None:
        self._settings = settings
        self._keys = keys
        self._owners = owners
        self._own = settings.digest() if keys is not None else deciding_part(settings.digest())
        self._logged_at = 0.0
        self._log = structlog.get_logger()

    async def enter(self, stop: asyncio.Event) -> bool:
        """Wait out of the group until this release may fold; False where it is to stop first. Raises StartupError."""
        while not stop.is_set():
            began = time.monotonic()
            decision = await self._decide()
            if decision.turn is Turn.JOIN:
                self._owners.outside = None
                return True
            self._log_waiting(decision.waiting)
            # What lies before the records is read anew each time: no more than a third of the time.
            pause = max(_PAUSE_SECONDS, 2 * (time.monotonic() - began))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        return False

    async def look(self) -> None:
        """What a start looks at, once; raises StartupError."""
        await self._decide()

    async def _decide(self) -> Decision:
        decision = decide(self._own, await self._owners.survey(range(self._settings.partitions)))
        if decision.foreign is not None:
            raise self._refused(decision.foreign)
        return decision

    def _refused(self, stand: Stand) -> StartupError:
        under = stand.under or ""
        passed = self._own in stand.past
        if self._keys is not None:
            return refused_digest(stand.partition, under, self._own, self._keys, passed=passed)
        found = f"clean partition {stand.partition} is under the fold digest {under}, not {self._own} of this worker"
        if passed:
            return StartupError(f"{found}, which was in force before", _AS_ANONYMIZE)
        return StartupError(found, _ORDER)

    def _log_waiting(self, waiting: tuple[Stand, ...]) -> None:
        left = {str(stand.partition): stand.left for stand in waiting}
        text = ", ".join(f"{records} in partition {partition}" for partition, records in left.items())
        self._owners.outside = f"out of the group: records left for the release before: {text}"
        if time.monotonic() - self._logged_at > _LOG_SECONDS:
            self._logged_at = time.monotonic()
            self._log.warning(
                "waits_for_the_release_before", left=left, do="let workers of that release run, or start one for it"
            )

    def leave(self) -> None:
        """Raises StartupError where every partition that the worker has is past the record that ended its release."""
        if (digest := self._owners.left()) is not None:
            raise StartupError(
                f"the fold digest in force is {digest}, not {self._own} of this worker, which is done",
                "start the release and the settings that footfall topics fold announced",
            )

    async def watch(self) -> None:
        """While in the group: whether the topics still have their partitions, and, without any, whether to leave."""
        counted_at = time.monotonic()
        while True:
            await asyncio.sleep(_IDLE_SECONDS)
            try:
                if time.monotonic() - counted_at >= _COUNT_SECONDS:
                    counted_at = time.monotonic()
                    await self._count()
                if self._owners.in_group and not self._owners.owners:
                    await self._decide()
            except (KafkaError, TimeoutError, OSError):
                continue  # brokers that are away are told of by whoever reads and writes

    async def _count(self) -> None:
        settings = self._settings
        refusal = refused_partitions(await partition_counts(settings), settings.partitions, settings.partitions)
        if refusal is not None:
            raise refusal
