"""The owners of a worker: made at assignment, restored and mended, dropped at revocation."""

import asyncio
import gc
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog

from pipeline.errors import Refused
from pipeline.operations import Operations
from pipeline.worker.lease import Lease
from pipeline.worker.owner import Owner
from pipeline.worker.standbys import Standbys

__all__ = ["Owners"]

_RESTORED_AT_ONCE = 4


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
        self._make = make
        self._standbys = standbys
        self._former: dict[int, Owner[Any]] = {}
        self._log = structlog.get_logger()
        self._lease = lease
        self._operations = operations
        self._failed = failed
        self._restoring: asyncio.Task[None] | None = None

    async def survey(self, partitions: Iterable[int], other_digest: Refused | None = None) -> None:
        """Look at partitions, before joining the group; raises Refused where events were lost in one.

        ``other_digest`` is the refusal where the end of one is under another digest; it is raised unless our own is
        in force where one of them is read on, since up to the control record nobody else may fold.
        """
        limit = asyncio.Semaphore(_RESTORED_AT_ONCE)

        async def one(partition: int) -> bool:
            async with limit:
                owner = self._make(partition)
                await owner.survey()
                return other_digest is not None and await owner.is_in_force()

        # All are awaited also where one refuses, so that no reader is left open.
        found = await asyncio.gather(*(one(partition) for partition in partitions), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error
        if other_digest is not None and True not in found:
            raise other_digest

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
        """Revoke, and follow nothing any more."""
        await self.revoke()
        self._release(())
        await self._standbys.stop()
        self._standbys.keep(())

    def _release(self, mine: Collection[int]) -> None:
        """Let go of the former owners of all other partitions."""
        for partition in set(self._former) - set(mine):
            self._former.pop(partition).release()

    async def assign(self, partitions: Iterable[int], followed: Iterable[int] = ()) -> None:
        """Restore and mend the owners of ``partitions``, then follow others; a revocation meanwhile ends that."""
        await self.revoke()
        mine, followed = sorted(set(partitions)), set(followed) - set(partitions)
        self._log.info("assigned", partitions=mine, followed=sorted(followed))
        await self._standbys.stop()
        self._standbys.keep(followed.union(mine))
        self._release(mine)
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
                standby, former = self._standbys.take(partition), self._former.pop(partition, None)
                try:
                    await self.owners[partition].restore(standby, former)
                except asyncio.CancelledError:
                    if not standby.handed_over:
                        self._standbys.give_back(partition, standby)
                    raise

        self.owners = {partition: self._make(partition) for partition in partitions}
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

    async def take(self, partition: int, records: Sequence[Any]) -> None:
        """Hand fetched records to their owner; those of a partition that is no longer ours are dropped."""
        owner = self.owners.get(partition)
        if owner is not None and owner.restored:
            await owner.take(records)

    def why_not_ready(self) -> str | None:
        """None where the worker is ready, else the reason."""
        if not self.in_group:
            return "not in the group, or partitions are being restored"
        if not self._lease.valid:
            return "the lease has run out or was never granted"
        waiting = [str(partition) for partition, owner in self.owners.items() if not owner.ready]
        return f"partitions {', '.join(waiting)} stand still before their log's end" if waiting else None
