"""The owners of a worker: made at assignment, restored and mended, dropped at revocation."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from pipeline.kafka.batch import Batch
from pipeline.operations import Operations
from pipeline.worker.lease import Lease
from pipeline.worker.owner import Owner
from pipeline.worker.releases import NOBODY, Others, Stand
from pipeline.worker.standbys import Standbys

__all__ = ["Owners"]

_RESTORED_AT_ONCE = 4
_REASONS: Final[tuple[tuple[str, Callable[[Owner[Any]], object]], ...]] = (
    ("are past the control record that ended this release", lambda owner: owner.left is not None),
    ("wait for the release before to fold what lies before their control record", lambda owner: owner.waits),
    ("are held by an open transaction of a producer", lambda owner: owner.held.too_long),
    ("stand still before their log's end", lambda owner: not owner.ready),
)
"""Why a worker in the group is not ready, the first that holds of any partition."""


class Owners:
    """By partition. ``make`` builds an owner; ``failed`` ends the process with what went wrong.

    Between a revocation and the next assignment closed owners are held, so that partitions that stay go on at once.
    """

    def __init__(
        self,
        make: Callable[[int], Owner[Any]],
        standbys: Standbys,
        lease: Lease,
        operations: Operations,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.owners: dict[int, Owner[Any]] = {}
        self.in_group = False
        self.outside: str | None = None
        """Why the worker stays out of the group."""
        self._make = make
        self._standbys = standbys
        self._former: dict[int, Owner[Any]] = {}
        self._log = structlog.get_logger()
        self._lease = lease
        self._operations = operations
        self._failed = failed
        self._restoring: asyncio.Task[None] | None = None
        self._others = NOBODY
        self._closed = False

    async def survey(self, partitions: Iterable[int]) -> list[Stand]:
        """Look at partitions from outside the group; raises StartupError where events were lost in one.

        Returns where each stands between two fold digests.
        """
        limit = asyncio.Semaphore(_RESTORED_AT_ONCE)
        owners = [self._make(partition) for partition in partitions]

        async def bounded(look: Callable[[Owner[Any]], Awaitable[Any]]) -> list[Any]:
            async def one(owner: Owner[Any]) -> Any:
                async with limit:
                    return await look(owner)

            # All are awaited also where one refuses, so that no reader is left open.
            found = await asyncio.gather(*map(one, owners), return_exceptions=True)
            for error in found:
                if isinstance(error, BaseException):
                    raise error
            return found

        await bounded(lambda owner: owner.survey())
        known = [owner.in_force.digests for owner in owners if not owner.fresh and owner.in_force.digests]
        if known:
            self._others = Others(known[0][0], frozenset(digests[-1] for digests in known))
        for owner in owners:
            owner.others = self._others
        return await bounded(lambda owner: owner.stand())

    async def revoke(self) -> None:
        """Let every owner finish its chunk, and drop all."""
        self.in_group = False
        if self._restoring is not None:
            self._restoring.cancel()
            await asyncio.wait({self._restoring})
        owners, self.owners = self.owners, {}
        if owners:
            self._log.info("revoked", partitions=sorted(owners))
        await asyncio.gather(*(owner.close() for owner in owners.values()))
        for partition, owner in owners.items():
            self._operations.dropped(partition)
            if owner.restored:
                self._former[partition] = owner
            else:
                owner.release()

    async def close(self) -> None:
        """Revoke, take no assignment and follow nothing any more."""
        self._closed = True
        await self.revoke()
        self._release(())
        await self._standbys.stop()
        self._standbys.keep(())

    def _release(self, mine: Collection[int]) -> None:
        """Let go of the former owners of all other partitions."""
        for partition in set(self._former) - set(mine):
            self._former.pop(partition).release()

    async def assign(self, partitions: Iterable[int], followed: Iterable[int] = ()) -> None:
        """Restore and mend the owners of ``partitions``, then follow others; a revocation or the end ends that."""
        await self.revoke()
        mine, followed = sorted(set(partitions)), set(followed) - set(partitions)
        self._log.info("assigned", partitions=mine, followed=sorted(followed))
        await self._standbys.stop()
        self._standbys.keep(followed.union(mine))
        self._release(mine)
        if self._closed:  # the group assigned while the worker was stopping: nobody would close these owners
            return
        self._restoring = asyncio.create_task(self._restore(mine))
        await asyncio.wait({self._restoring})
        task, self._restoring = self._restoring, None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._failed(error)
            return
        await self._standbys.follow(followed)

    async def _restore(self, partitions: Sequence[int]) -> None:
        limit = asyncio.Semaphore(_RESTORED_AT_ONCE)

        async def one(partition: int) -> None:
            async with limit:
                standby, former = self._standbys.hand_over(partition), self._former.pop(partition, None)
                try:
                    await self.owners[partition].restore(standby, former)
                except asyncio.CancelledError:
                    if not standby.handed_over:
                        self._standbys.give_back(partition, standby)
                    raise

        self.owners = {partition: self._make(partition) for partition in partitions}
        for owner in self.owners.values():
            owner.others = self._others
        # A million objects that all stay make the collector look at them again and again while they are made.
        gc.disable()
        try:
            async with asyncio.TaskGroup() as group:
                for partition in partitions:
                    group.create_task(one(partition))
        finally:
            gc.enable()
        for owner in self.owners.values():
            owner.begin()
        self.in_group = True

    def left(self) -> str | None:
        """The digest in force where every partition is past its control record, None otherwise."""
        digests = [owner.left for owner in self.owners.values()]
        return digests[0] if digests and all(digests) else None

    def positions(self) -> Mapping[int, int]:
        """Where each restored owner reads on."""
        return {partition: owner.position for partition, owner in self.owners.items() if owner.restored}

    async def receive(self, partition: int, batches: Sequence[Batch]) -> int | None:
        """Hand fetched batches to their owner; those of a partition that is no longer ours are dropped.

        Returns the offset to fetch again from, see :meth:`Owner.receive`.
        """
        owner = self.owners.get(partition)
        return None if owner is None or not owner.restored else await owner.receive(batches)

    def why_not_ready(self) -> str | None:
        """None where the worker is ready, else the reason."""
        if not self.in_group:
            return self.outside or "not in the group, or partitions are being restored"
        if not self._lease.valid:
            return "the lease has run out or was never granted"
        for words, is_so in _REASONS:
            if named := [str(partition) for partition, owner in sorted(self.owners.items()) if is_so(owner)]:
                return f"partitions {', '.join(named)} {words}"
        return None
