"""Apache Kafka in a container, of the same version and with the same settings as the embedded one (ADR 0026).

One node for clients on this machine, at a free port of the loopback interface. It ends with the process that started
it, however that ends: testcontainers has a container of its own for that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from pipeline.broker.embedded import free_ports, serves
from pipeline.broker.jars import locked_jars
from pipeline.broker.java import CLUSTER_ID
from pipeline.broker.properties import HOST, server_properties
from pipeline.printable import printable

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

__all__ = ["IMAGE", "KAFKA_VERSION", "NoContainerError", "container", "kafka_environment"]

KAFKA_VERSION: Final = next(jar.version for jar in locked_jars() if jar.artifact.startswith("kafka_"))
IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
_NODE: Final = 1
_PORT, _CONTROLLER, _INSIDE = 9092, 9093, 9094
_DATA: Final = "/var/lib/kafka/data"
_ANSWER_SECONDS: Final = 3
_START_SECONDS: Final = 180
_STOP_SECONDS: Final = 10
_TOLD: Final = 200


class NoContainerError(Exception):
    """There is no broker in a container; the text says why."""


def kafka_environment(port: int) -> dict[str, str]:
    """What the image is told: the embedded broker's settings, with clients at ``port`` of this machine."""
    text = server_properties(_NODE, port, {_NODE: _CONTROLLER}, _DATA, {}, {})
    settings = dict(line.split("=", 1) for line in text.splitlines())
    settings |= {
        # What the broker says to itself stays inside, where the clients' address leads nowhere.
        "listeners": f"PLAINTEXT://:{_PORT},INSIDE://:{_INSIDE},CONTROLLER://:{_CONTROLLER}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},INSIDE://localhost:{_INSIDE}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "controller.quorum.voters": f"{_NODE}@localhost:{_CONTROLLER}",
    }
    named = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
    return {"CLUSTER_ID": CLUSTER_ID, "KAFKA_HEAP_OPTS": "-Xmx768m", **named}


@asynccontextmanager
async def container(volume: str | None = None) -> AsyncIterator[str]:
    """A broker with its data in the named Docker volume, else for once; yields ``host:port`` once it serves.

    Raises :class:`NoContainerError` where Docker does not answer within 3 s, or the broker cannot be had from it.
    """
    await _require_docker()
    (port,) = free_ports(1)
    broker = await asyncio.to_thread(_started, port, volume)
    try:
        await _wait(broker, f"{HOST}:{port}")
        yield f"{HOST}:{port}"
    finally:
        await asyncio.to_thread(_remove, broker)


async def _require_docker() -> None:
    try:
        await asyncio.wait_for(asyncio.to_thread(_ping), _ANSWER_SECONDS)
    except TimeoutError:
        raise NoContainerError(f"Docker does not answer within {_ANSWER_SECONDS} s") from None


def _ping() -> None:
    try:
        # Loaded only where it is asked for: the library is no small one, and an extra.
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415
    except ImportError:
        raise NoContainerError("the extra footfall[container] is not installed") from None
    _say_less()
    try:
        client = DockerClient(timeout=_ANSWER_SECONDS).client
        try:
            client.ping()
        finally:
            client.close()
    except Exception as error:  # noqa: BLE001 - whatever the client raises, there is no Docker for us
        raise NoContainerError(f"Docker does not answer ({_reason(error)})") from None


def _started(port: int, volume: str | None) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - as above

    _say_less()
    try:
        broker = DockerContainer(IMAGE, env=kafka_environment(port))
        broker.ports[f"{_PORT}/tcp"] = (HOST, port)  # type: ignore[assignment]  # Docker takes an address too
        if volume is not None:
            broker.with_volume_mapping(volume, _DATA, "rw")
    except Exception as error:  # noqa: BLE001 - as above
        raise NoContainerError(f"Docker does not answer ({_reason(error)})") from None
    try:
        return broker.start()
    except Exception as error:  # noqa: BLE001 - no image, no room, no port: the next in line is another broker
        _remove(broker)
        raise NoContainerError(f"Docker gives no container of {IMAGE} ({_reason(error)})") from None


async def _wait(broker: "DockerContainer", address: str) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_SECONDS
    while loop.time() < until:
        if await serves(address, _NODE):
            return
        if (ended := await asyncio.to_thread(_why_ended, broker)) is not None:
            raise NoContainerError(f"the container of {IMAGE} ended at its start ({ended})")
        await asyncio.sleep(0.2)
    raise NoContainerError(f"the container of {IMAGE} did not answer at {address} within {_START_SECONDS} s")


def _why_ended(broker: "DockerContainer") -> str | None:
    """The last line of a container that runs no more, None of one that does."""
    try:
        broker.reload()
        if broker.status in {"created", "running"}:
            return None
        lines = b"\n".join(broker.get_logs()).decode(errors="replace").split("\n")
        return _short(next((line for line in reversed(lines) if line.strip()), broker.status))
    except Exception as error:  # noqa: BLE001 - Docker went away
        return _reason(error)


def _remove(broker: "DockerContainer") -> None:
    """Stop it, so that its data are whole, and take it away; a volume with a name stays."""
    with suppress(Exception):
        broker.get_wrapped_container().stop(timeout=_STOP_SECONDS)
    with suppress(Exception):
        broker.stop()


def _say_less() -> None:
    for name in ("container", "docker_client"):
        logging.getLogger(f"testcontainers.core.{name}").setLevel(logging.WARNING)


def _reason(error: Exception) -> str:
    return _short(str(getattr(error, "explanation", None) or error) or type(error).__name__)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return printable(words if len(words) <= _TOLD else f"{words[:_TOLD]}...")
