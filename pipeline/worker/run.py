"""Running a worker: what is looked at first, how it starts, and the ways in which it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.types import TP

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.shared.store import OwnStore
from pipeline.app import FootfallApp, build_app
from pipeline.broker.acls import group_name
from pipeline.broker.admin import admin, coordinated
from pipeline.broker.topics import failed
from pipeline.errors import StartupError
from pipeline.kafka.appender import Appender
from pipeline.kafka.login import last_refusal, require_login
from pipeline.kafka.patches.connecting import read_frames_whole
from pipeline.kafka.reader import LogReader
from pipeline.kafka.transport import Consumer
from pipeline.operations import Operations, Pages
from pipeline.preflight import Keys, Kind, replication_warning, require_broker, require_key, require_topics
from pipeline.settings.settings import Settings
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.context import Context
from pipeline.worker.ending import end
from pipeline.worker.failpoints import reached
from pipeline.worker.held import WholeEnds
from pipeline.worker.lease import Lease, LeaseLostError
from pipeline.worker.leave_on_exit import LeaveOnExit
from pipeline.worker.lines import log_to_stdout
from pipeline.worker.manager import Owners
from pipeline.worker.owner import Owner
from pipeline.worker.raw_owner import RawOwner
from pipeline.worker.standbys import Standbys
from pipeline.worker.tuning import tune
from pipeline.worker.turns import Turns
from schemas.flow import STAGES
from schemas.topics import topic_name

__all__ = ["look_around", "run_worker"]

_COMMIT_SECONDS = 1.0
_STOP_SECONDS = 9.0
_LEASE_SHARE = 2 / 3


def run_worker(kind: Kind, settings: Settings, *, accept_gap: bool = False) -> int:
    """Run until SIGTERM or SIGINT; returns 0. A refusal raises StartupError; anything else ends the process with 1."""
    log_to_stdout()
    tune()
    read_frames_whole()
    try:
        return asyncio.run(_Worker(kind, settings, accept_gap=accept_gap).run())
    except StartupError:
        raise
    except (KafkaError, OSError, TimeoutError) as error:  # the brokers went away while the worker looked around
        raise last_refusal() or failed("reach the brokers", error) from None
    except Exception as error:  # noqa: BLE001 - its text may hold something of an event
        end(error)


async def look_around(kind: Kind, settings: Settings) -> None:
    """What a start checks before it joins the group, and no more; raises StartupError as that would, KafkaError.

    Nothing is written, neither to a topic nor to this machine.
    """
    await _Worker(kind, settings, accept_gap=False, looking=True).run()


class _Worker:
    def __init__(self, kind: Kind, settings: Settings, *, accept_gap: bool, looking: bool = False) -> None:
        self._kind = kind
        self._settings = settings
        self._accept_gap = accept_gap
        self._looking = looking
        self._log = structlog.get_logger().bind(worker=kind)
        self._stop = asyncio.Event()
        self._commits: dict[int, int] = {}
        lease = settings.session_timeout.total_seconds() * _LEASE_SHARE
        self._lease = Lease(lease, lambda: end(LeaseLostError(lease)))
        self._operations = Operations()
        self._appender: Appender
        self._reader: LogReader
        self._ends: WholeEnds

    async def run(self) -> int:
        settings, kind = self._settings, self._kind
        keys = require_key(kind, settings)
        brokers = await require_broker(settings)
        await require_topics(settings)
        if not self._looking and (warning := await replication_warning(settings)) is not None:
            self._log.warning("few_replicas", what=warning)
        self._commits = await self._committed()
        appender, opened = Appender(brokers, lambda: self._lease.valid), self._stores()
        async with appender as self._appender, LogReader(brokers) as self._reader, WholeEnds(brokers) as self._ends:
            standbys = Standbys(
                self._reader, topic_name(settings.topic_prefix, STAGES[kind].state), self._operations, opened
            )
            owners = Owners(self._maker(keys, opened), standbys, self._lease, self._operations, end)
            turns = Turns(settings, keys, owners)
            if self._looking:
                await turns.look()
                return 0
            pages = Pages(self._operations, owners.why_not_ready)
            await pages.start(settings.metrics_host, settings.metrics_port)
            self._heed_signals()
            if await turns.enter(self._stop):
                self._log.info("starting", metrics_port=pages.port, brokers=str(brokers), digest=settings.digest())
                with LeaveOnExit() as leave_on_exit:
                    await self._serve(build_app(kind, settings, owners, self._lease, leave_on_exit, end), owners, turns)
            await pages.stop()
        self._log.info("stopped")
        return 0

    def _maker(self, keys: Keys | None, opened: Callable[[int], OwnStore | None]) -> Callable[[int], Owner[Any]]:
        settings = self._settings
        context = Context(
            self._kind,
            settings,
            self._appender,
            self._lease,
            self._reader,
            self._operations,
            self._commits.get,
            end,
            self._accept_gap,
            at=reached,
            store=opened,
            whole_end=self._ends.end,
        )
        digest = settings.digest()
        if keys is None:
            return lambda partition: CleanOwner(context, partition, digest)
        pseudonyms, control = Pseudonyms(keys.pseudonym), keys.control
        return lambda partition: RawOwner(context, partition, pseudonyms, control, digest)

    def _stores(self) -> Callable[[int], OwnStore | None]:
        """What opens a partition's store; raises StartupError where the data folder is no place for one."""
        if self._settings.store == "memory" or self._looking:
            return lambda _partition: None
        # Loaded only where it is asked for: the library is no small one.
        from pipeline.worker.stores import Stores  # noqa: PLC0415

        stores = Stores(self._settings.data_dir, self._kind)
        if removed := stores.remove_stale():
            self._log.info("stale_state_removed", folders=removed)
        return stores.open

    async def _committed(self) -> dict[int, int]:
        group = group_name(self._settings.topic_prefix, self._kind)
        topic = topic_name(self._settings.topic_prefix, STAGES[self._kind].source)
        async with admin(self._settings.connection()) as client:
            found: Mapping[TopicPartition, OffsetAndMetadata] = await coordinated(
                f"offsets of group {group}", lambda: client.list_consumer_group_offsets(group)
            )
        return {tp.partition: meta.offset for tp, meta in found.items() if tp.topic == topic and meta.offset > 0}

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def _serve(self, app: FootfallApp, owners: Owners, turns: Turns) -> None:
        self._lease.watch()
        starting = asyncio.create_task(self._start(app))
        crashed = asyncio.create_task(self._watch(app))
        committing = asyncio.create_task(self._commit_and_tell(app, owners, turns))
        watching = asyncio.create_task(turns.watch())
        stopping = asyncio.create_task(self._stop.wait())
        working = (starting, crashed, committing, watching)
        await asyncio.wait({*working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in working:
            if task.done() and (error := task.exception()) is not None:
                end(error)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await owners.close()
                committing.cancel()
                watching.cancel()
                await self._commit(app, self._reached)
                crashed.cancel()
                await app.stop()
        except TimeoutError:
            self._log.warning("stopped_late", what="left without saying goodbye to the group")
            sys.stdout.flush()
            os._exit(0)
        self._lease.close()
        starting.cancel()

    async def _start(self, app: FootfallApp) -> None:
        await app.start()
        await self._stop.wait()

    async def _watch(self, app: FootfallApp) -> None:
        while not app.crashed:  # noqa: ASYNC110 - Faust has no event for it
            await asyncio.sleep(0.1)
        raise app.crash_reason or RuntimeError("the app crashed")

    _reached: dict[int, int] = {}  # noqa: RUF012 - replaced, never changed

    async def _commit_and_tell(self, app: FootfallApp, owners: Owners, turns: Turns) -> None:
        """Commit what the state has reached, for lag tools alone; tell where the owners stand."""
        done: dict[int, int] = {}
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            self._reached = dict(owners.positions())
            for owner in list(owners.owners.values()):
                if owner.restored:
                    owner.publish_metrics()
                    if (missed := owner.starved()) is not None:
                        await app.footfall_fetch_again(owner.partition, missed)
            turns.leave()
            require_login(self._settings.connection())
            new = {number: at for number, at in self._reached.items() if done.get(number) != at and at > 0}
            if new and owners.in_group and await self._commit(app, new):
                done.update(new)

    async def _commit(self, app: FootfallApp, positions: dict[int, int]) -> bool:
        """Whether the group took it; it need not, while it rebalances."""
        tps = {TP(app.footfall_topic, number): at for number, at in positions.items() if at > 0}
        if not tps:
            return True
        reached("commit")
        taken = await cast("Consumer", app.consumer).commit_positions(tps)
        reached("committed")
        return taken
