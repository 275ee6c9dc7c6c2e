"""A deployment under faults: brokers behind proxies, workers that somebody starts again, a load, what must hold."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from aiokafka.errors import KafkaConnectionError, KafkaError

from agents.core.shared.joins import ENTRY_KEY, fence_of
from pipeline.broker.embedded import EmbeddedBroker, cluster, free_ports
from pipeline.broker.topics import apply
from pipeline.kafka.reader import LogReader, ends, read_topic
from pipeline.kafka.recovery import last_entry
from pipeline.processes import WorkerProcess
from pipeline.proof.oracle import OracleResult
from tests.broker.bench import PARTITIONS, Bench
from tests.broker.load import make_load, publish
from tests.broker.old_times import old_load, publish_with_times
from tests.faults.checks import log_faults, raw_faults, sink_faults, writer_of
from tests.faults.disks import mount_small_disks
from tests.faults.proxy import Proxy, Rules

__all__ = ["Place", "Rig", "rig"]

_RESTART_SECONDS = 0.5
_PATIENCE_SECONDS = 180.0
_PART = 250
_PARTS_AT_MOST = 12
_PROPERTIES = {
    "log.cleaner.backoff.ms": "200",
    "inter.broker.listener.name": "PROXIED",
    "replica.lag.time.max.ms": "5000",
}
"""Of every broker: the cleaner looks often for something to compact; brokers, too, meet through the proxies."""
_OLDEST_HOURS = 45
_OLD_HOURS = 12
"""Of append time before the workers begin, so that they close the books of these hours under the first fault."""


@dataclass(eq=False)
class Place:
    """Where a worker of ``kind`` runs, one process after the other, with ``settings`` and ``variables`` of its
    environment; ``first`` are variables of the first process alone.
    """

    kind: str
    settings: Mapping[str, str]
    variables: Mapping[str, str]
    first: Mapping[str, str]
    wanted: bool = True
    worker: WorkerProcess | None = None

    @property
    def running(self) -> bool:
        """Whether a process is there at the moment; it may be paused."""
        return self.worker is not None and self.worker.process.poll() is None


@dataclass
class Rig:
    """What a fault may be done to; ``ends`` counts how workers ended, by exit code.

    Workers reach the brokers through ``proxies``, one before each of ``nodes``; the load does not.
    """

    bench: Bench
    nodes: list[EmbeddedBroker]
    proxies: list[Proxy]
    places: list[Place] = field(default_factory=list)
    ends: Counter[int] = field(default_factory=Counter)
    fed: int = 0
    """Loads published so far."""
    hours_a_part: int = 5
    """By which each is younger than the one before."""
    published: dict[bytes, int] = field(default_factory=dict)
    """What each record that was published is called, and its partition."""
    proofs: Counter[str] = field(default_factory=Counter)
    """What shows that a fault really happened, by words, and how often."""
    _keeping: list["asyncio.Task[None]"] = field(default_factory=list)
    _may_start: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._may_start.set()

    # ---- workers

    def keep(
        self,
        kind: str,
        *,
        settings: Mapping[str, str] = MappingProxyType({}),
        variables: Mapping[str, str] = MappingProxyType({}),
        first: Mapping[str, str] = MappingProxyType({}),
    ) -> Place:
        """One more worker of a kind, started again whenever it ends; see :class:`Place`."""
        place = Place(kind, settings, variables, first)
        self.places.append(place)
        self._keeping.append(asyncio.create_task(self._keep(place)))
        return place

    async def _keep(self, place: Place) -> None:
        behind = ",".join(proxy.address for proxy in self.proxies)
        while True:
            await self._may_start.wait()
            if not place.wanted:
                return
            variables, place.first = {**place.variables, **place.first}, {}
            place.worker = self.bench.start(place.kind, variables=variables, BROKERS=behind, **place.settings)
            code = await asyncio.to_thread(place.worker.process.wait)
            self.ends[code] += 1
            await asyncio.sleep(_RESTART_SECONDS)

    @contextlib.asynccontextmanager
    async def nobody_at_work(self) -> AsyncIterator[None]:
        """Every worker is killed, and none is started while the body runs."""
        self._may_start.clear()
        try:
            for place in self.places:
                if place.worker is not None:
                    place.worker.process.kill()
                    await asyncio.to_thread(place.worker.process.wait)
            yield
        finally:
            self._may_start.set()

    async def leave(self, place: Place) -> None:
        """A worker that is stopped and not started again."""
        place.wanted = False
        if place.worker is not None:
            await place.worker.stop()
        self.places.remove(place)

    async def at_work(self) -> list[Place]:
        """Where a worker is ready at the moment."""
        running = [(place, place.worker) for place in self.places if place.worker is not None]
        answers = await asyncio.gather(*(asyncio.to_thread(worker.get, "/readyz") for _, worker in running))
        return [place for (place, _), (status, _) in zip(running, answers, strict=True) if status == 200]

    async def all_at_work(self) -> None:
        """Until every worker is ready; fails at the deadline."""

        async def ready() -> bool:
            return len(await self.at_work()) == len(self.places)

        await self.bench.until(ready)

    # ---- the load

    async def feed(self, count: int = _PART) -> None:
        """Publish a load of ``count`` records; brokers may be gone for a while.

        The first is of two days ago, each later one of some hours later, so that windows close all the time.
        """
        number, self.fed = self.fed, self.fed + 1
        seed = int(self.bench.settings.topic_prefix.strip("m") or 0) * 1000 + number
        now = time.time() - 3600 * max(0, _OLDEST_HOURS - self.hours_a_part * number)
        load = make_load(seed, count, PARTITIONS, now, first_sequence=number * 10_000)
        self.published |= {f"{number}/{place}".encode(): partition for place, (partition, _, _) in enumerate(load)}
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_SECONDS
        while True:
            try:
                await publish(self.bench.brokers, self.bench.topic("raw"), load, _PATIENCE_SECONDS, str(number))
            except KafkaConnectionError:  # nothing was published: no broker is there to begin with
                if loop.time() > until:
                    raise
                await asyncio.sleep(_RESTART_SECONDS)
            else:
                return

    @contextlib.asynccontextmanager
    async def under_load(self) -> AsyncIterator[bool]:
        """A load goes on while the body runs; whether something was in flight when it began."""
        over = asyncio.Event()

        async def feeding() -> None:
            for _ in range(_PARTS_AT_MOST):
                await self.feed()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 1.5)
                    return

        task = asyncio.create_task(feeding())
        try:
            yield await self._in_flight()
        finally:
            over.set()
            await task

    async def _in_flight(self) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + 10
        while loop.time() < until:
            with contextlib.suppress(KafkaError, OSError):
                if await self.lag():
                    return True
        return False

    async def lag(self) -> int:
        """Raw records that are not in the last state of the second hop."""
        bench = self.bench
        log = await ends(bench.brokers, bench.topic("raw"))
        async with LogReader(bench.brokers) as reader:
            states = await asyncio.gather(
                *(last_entry(reader, bench.topic("aggregate-state"), number) for number in log)
            )
        fences = [-1 if (entry := state.get(ENTRY_KEY)) is None else fence_of(entry) for state in states]
        return sum(end for _, end in log.values()) - sum(fence + 1 for fence in fences)

    # ---- the end

    async def settled(self) -> OracleResult:
        """Every promise, once everybody has come to rest; raises AssertionError."""
        bench = self.bench
        expected = await bench.all_equal()
        assert len(expected.ledger) > _OLD_HOURS
        leaks = await bench.leaks()
        assert not leaks.places, leaks.places
        raw = await read_topic(bench.brokers, bench.topic("raw"))
        assert not (faults := raw_faults(raw, self.published, PARTITIONS)), faults[:5]
        topic = bench.topic("aggregates")
        sink = await read_topic(bench.brokers, topic)
        writer = writer_of((node.folder / "data" for node in self.nodes), topic, PARTITIONS)
        assert not (faults := sink_faults(sink, writer)), faults[:5]
        assert not (faults := log_faults(bench.logs())), faults
        return expected

    async def close(self) -> None:
        """Stop every worker for good."""
        self._may_start.set()
        for place in self.places:
            place.wanted = False
            if place.worker is not None and place.worker.process.poll() is None:
                place.worker.process.send_signal(signal.SIGCONT)
                place.worker.process.kill()
        await asyncio.gather(*self._keeping)

    # ---- the network

    def rule(self, rules: Rules = Rules()) -> None:  # noqa: B008 - it is frozen
        """The same rules for the way to every broker."""
        for proxy in self.proxies:
            proxy.rule(rules)

    @property
    def done(self) -> Counter[str]:
        """What the proxies did (see :class:`Proxy`), and what else shows that faults happened, and how often."""
        return sum((proxy.done for proxy in self.proxies), +self.proofs)


@contextlib.asynccontextmanager
async def rig(
    folder: Path, prefix: str, nodes: int, *, small_disks: bool = False, **settings: str
) -> AsyncIterator[Rig]:
    """A cluster of its own with topics made and some hours of old records in raw; everything is stopped at the end.

    With ``small_disks`` each broker has one of 200 MB; ``settings`` are those of every worker.
    """
    ports = free_ports(2 * nodes)
    pairs = [*zip(ports[::2], ports[1::2], strict=True)]
    listeners = [{"PROXIED": pair} for pair in pairs]
    disks = [folder / "brokers" / str(node) / "data" for node in range(1, nodes + 1)] if small_disks else []
    if disks:
        mount_small_disks(disks)
    proxies = [Proxy((prefix, number), told, bound) for number, (bound, told) in enumerate(pairs)]
    try:
        async with cluster(folder / "brokers", nodes, listeners=listeners, properties=_PROPERTIES) as brokers:
            addresses = ",".join(broker.address for broker in brokers)
            bench = Bench(addresses, prefix, folder / "workers", **settings)
            bench.deadline = _PATIENCE_SECONDS
            old = old_load(nodes, _PART, _OLD_HOURS, _OLDEST_HOURS + 1)
            await publish_with_times(bench, old, min(3, nodes))
            await apply(bench.settings)
            made = Rig(bench, brokers, proxies)
            try:
                yield made
            finally:
                await made.close()
                await bench.stop()
    finally:
        for proxy in proxies:
            await asyncio.to_thread(proxy.close)
        for disk in disks:
            subprocess.run(["umount", "-l", str(disk)], check=False)  # so that the folder can be removed
