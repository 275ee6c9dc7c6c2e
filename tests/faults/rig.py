"""A deployment under faults: brokers, workers that somebody starts again when they end, a load, and what must hold."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.errors import KafkaConnectionError

from pipeline.broker.embedded import EmbeddedBroker, cluster
from pipeline.broker.topics import apply
from pipeline.oracle import OracleResult
from pipeline.processes import WorkerProcess
from tests.broker.bench import Bench
from tests.broker.load import make_load, publish

__all__ = ["Rig", "rig"]

_RESTART_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


@dataclass
class Rig:
    """What a fault may be done to; ``ends`` counts how workers ended, by exit code."""

    bench: Bench
    nodes: list[EmbeddedBroker]
    places: list["Place"] = field(default_factory=list)
    ends: Counter[int] = field(default_factory=Counter)
    _keeping: list["asyncio.Task[None]"] = field(default_factory=list)

    def keep(self, kind: str, **more: str) -> "Place":
        """One more worker of a kind, started again whenever it ends; ``more`` are settings of its first start."""
        place = Place(kind, more)
        self.places.append(place)
        self._keeping.append(asyncio.create_task(self._keep(place)))
        return place

    async def _keep(self, place: "Place") -> None:
        while place.wanted:
            place.worker = self.bench.start(place.kind, **place.more)
            place.more = {}
            code = await asyncio.to_thread(place.worker.process.wait)
            self.ends[code] += 1
            await asyncio.sleep(_RESTART_SECONDS)

    async def leave(self, place: "Place") -> None:
        """A worker that is stopped and not started again."""
        place.wanted = False
        if place.worker is not None:
            await place.worker.stop()
        self.places.remove(place)

    async def feed(self, seed: int, count: int) -> None:
        """Publish a load; brokers may be gone for a while."""
        load = make_load(seed, count, self.bench.settings.partitions)
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_SECONDS
        while True:
            try:
                await publish(self.bench.brokers, self.bench.topic("raw"), load, _PATIENCE_SECONDS)
            except KafkaConnectionError:  # nothing was published: no broker is there to begin with
                if loop.time() > until:
                    raise
                await asyncio.sleep(_RESTART_SECONDS)
            else:
                return

    async def settled(self) -> OracleResult:
        """Every promise, once everybody has come to rest: figures, revisions, rejections, no canary outside raw."""
        expected = await self.bench.all_equal()
        await self.bench.end_is_highest()
        assert not (await self.bench.leaks()).places
        return expected

    async def close(self) -> None:
        """Stop every worker for good."""
        for place in self.places:
            place.wanted = False
            if place.worker is not None and place.worker.process.poll() is None:
                place.worker.process.send_signal(signal.SIGCONT)
                place.worker.process.kill()
        await asyncio.gather(*self._keeping)


@dataclass(eq=False)
class Place:
    """Where a worker of ``kind`` runs, one process after the other."""

    kind: str
    more: dict[str, str]
    wanted: bool = True
    worker: WorkerProcess | None = None

    @property
    def running(self) -> bool:
        """Whether a process is there at the moment; it may be paused."""
        return self.worker is not None and self.worker.process.poll() is None


@contextlib.asynccontextmanager
async def rig(folder: Path, prefix: str, nodes: int) -> AsyncIterator[Rig]:
    """A cluster of its own with topics made; everything is stopped at the end."""
    async with cluster(folder / "brokers", nodes) as brokers:
        bench = Bench(",".join(broker.address for broker in brokers), prefix, folder / "workers")
        await apply(bench.settings)
        made = Rig(bench, brokers)
        try:
            yield made
        finally:
            await made.close()
            await bench.stop()
