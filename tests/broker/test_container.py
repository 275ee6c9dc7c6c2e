"""A broker in a container, over a stand-in for Docker whose container is an embedded broker; and without one."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import Reaper

from pipeline.broker import resolving
from pipeline.broker.admin import admin
from pipeline.broker.container import IMAGE, kafka_environment
from pipeline.broker.resolving import BrokerChoice, Chosen, resolve
from pipeline.errors import StartupError
from tests.docker_api import Docker, docker

REAPER = testcontainers_config.ryuk_image


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    with docker(tmp_path / "docker") as (daemon, address):
        daemon.registry |= {IMAGE, REAPER}
        monkeypatch.setenv("DOCKER_HOST", address)
        monkeypatch.setattr(testcontainers_config, "connection_mode_override", ConnectionMode.docker_host)
        yield daemon
        daemon.mute.clear()
        Reaper.delete_instance()


async def kept(address: str, *more: bytes) -> list[bytes]:
    """What the topic holds, with ``more`` appended."""
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    for value in more:
        await producer.send_and_wait("kept", value)
    await producer.stop()
    consumer = AIOKafkaConsumer("kept", bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    found = [bytes((await consumer.getone()).value)]
    while len(found) < (await consumer.end_offsets(consumer.assignment())).popitem()[1]:
        found.append(bytes((await consumer.getone()).value))
    await consumer.stop()
    return found


@pytest.mark.broker
@pytest.mark.timeout(400)
async def test_a_broker_in_a_container_is_made_used_and_removed(daemon: Docker, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    async with resolve(folder, kept=True) as chosen:
        assert chosen.line == f"a container of {IMAGE}: Docker answers"
        (one,) = [each for each in daemon.containers.values() if each.image == IMAGE]
        port = chosen.address.rpartition(":")[2]
        assert one.asked["HostConfig"]["PortBindings"] == {"9092/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
        assert one.environment == kafka_environment(int(port))
        (bind,) = one.volumes
        volume, target, mode = bind.split(":")
        assert (target, mode) == ("/var/lib/kafka/data", "rw")
        assert volume.startswith("footfall-")
        async with admin(chosen.address) as client:
            await client.create_topics([NewTopic("kept", 1, 1)])
        assert await kept(chosen.address, b"first") == [b"first"]
    assert [each for each in daemon.removed if each.image == IMAGE] == [one]
    assert daemon.requests.index("POST /images/create") < daemon.requests.index("POST /containers/ID/start")
    assert daemon.requests.index("POST /containers/ID/stop") < daemon.requests.index("DELETE /containers/ID")
    # The next start goes on with the data, of a container alone.
    async with resolve(folder, kept=True) as chosen:
        assert chosen.line == f"a container of {IMAGE}: {folder} has its data"
        assert await kept(chosen.address, b"second") == [b"first", b"second"]
        assert Reaper._socket is not None
        Reaper._socket.close()  # as the kernel does where this process is killed
        until = time.monotonic() + 30
        while [each for each in daemon.containers.values() if each.image == IMAGE]:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
    with pytest.raises(StartupError, match=f"the data in {folder} are of a broker that was container: unset --broker"):
        await tried(folder, BrokerChoice.EMBEDDED)
    daemon.mute.set()
    with pytest.raises(StartupError, match=f"the data in {folder} are of a container, and Docker does not answer"):
        await tried(folder)


async def tried(folder: Path, choice: BrokerChoice = BrokerChoice.AUTO) -> str:
    async with resolve(folder, choice, kept=True) as chosen:
        return chosen.line


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders in which an embedded broker would have been started."""
    found: list[Path] = []

    @asynccontextmanager
    async def embedded(folder: Path, _progress: object) -> AsyncIterator[str]:
        found.append(folder)
        yield "127.0.0.1:1"

    monkeypatch.setattr(resolving, "embedded", embedded)
    return found


async def passed_over(folder: Path, started: list[Path], why: str) -> None:
    """With ``auto`` the embedded broker is chosen and it is said why; asked for by name there is none."""
    assert why in await tried(folder)
    assert started == [folder]
    with pytest.raises(StartupError, match="--broker container: ") as caught:
        await tried(folder, BrokerChoice.CONTAINER)
    assert why in caught.value.what
    assert caught.value.do == "mend that, or use --broker embedded"
    assert started == [folder]


async def test_where_docker_is_absent(tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    await passed_over(tmp_path, started, "Docker does not answer (")


async def test_where_testcontainers_is_not_installed(
    tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.docker_client", None)
    await passed_over(tmp_path, started, "the extra footfall[container] is not installed")


async def test_where_docker_is_mute(daemon: Docker, tmp_path: Path, started: list[Path]) -> None:
    daemon.mute.set()
    begun = time.monotonic()
    await passed_over(tmp_path, started, "Docker does not answer")
    assert time.monotonic() - begun < 2 * 3 + 2
    assert not daemon.containers


async def test_where_docker_says_little_by_little(
    tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            try:
                while True:
                    client, _ = server.accept()
                    for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                        client.sendall(bytes([letter]))
                        time.sleep(0.1)
            except OSError:
                return

        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.getsockname()[1]}")
        trickling = asyncio.get_running_loop().run_in_executor(None, trickle)
        begun = time.monotonic()
        assert "Docker does not answer within 3 s" in await tried(tmp_path)
        assert time.monotonic() - begun < 3 + 2
        server.shutdown(socket.SHUT_RDWR)
    await trickling


async def test_where_the_image_cannot_be_pulled(daemon: Docker, tmp_path: Path, started: list[Path]) -> None:
    daemon.registry.discard(IMAGE)
    await passed_over(tmp_path, started, f"Docker gives no container of {IMAGE} (Get https://registry.example")
    assert not [each for each in daemon.containers.values() if each.image == IMAGE]


async def test_where_the_container_ends_at_its_start(daemon: Docker, tmp_path: Path, started: list[Path]) -> None:
    daemon.ends_at_start = b"starting\nno space left on device\n"
    await passed_over(tmp_path, started, f"the container of {IMAGE} ended at its start (no space left on device)")
    assert [each.image for each in daemon.removed] == [IMAGE, IMAGE]


async def test_brokers_that_are_set_come_first(tmp_path: Path, started: list[Path]) -> None:
    async with resolve(tmp_path, given="kafka:9092") as chosen:
        assert chosen == Chosen("kafka:9092", "the brokers of FOOTFALL_BROKERS", "that is set", given=True)
    async with resolve(tmp_path, BrokerChoice.EMBEDDED, "kafka:9092") as chosen:
        assert chosen.address == "127.0.0.1:1"
        assert chosen.line.endswith(": asked for")
        assert not chosen.given
    assert started == [tmp_path]


async def test_the_data_of_an_embedded_broker_are_gone_on_with(
    daemon: Docker, tmp_path: Path, started: list[Path]
) -> None:
    (tmp_path / "data").mkdir()
    assert (await tried(tmp_path)).endswith(f": {tmp_path} has its data")
    with pytest.raises(StartupError, match="are of a broker that was embedded"):
        await tried(tmp_path, BrokerChoice.CONTAINER)
    assert daemon.requests == []


def test_the_container_is_told_what_the_embedded_broker_is() -> None:
    told = kafka_environment(1234)
    assert IMAGE == "apache/kafka:4.1.1"
    assert f"image: {IMAGE}" in (Path(__file__).parents[2] / "docker-compose.yml").read_text()
    assert told["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:1234,INSIDE://localhost:9094"
    assert told["KAFKA_LISTENERS"] == "PLAINTEXT://:9092,INSIDE://:9094,CONTROLLER://:9093"
    assert told["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"] == "1000"
    assert told["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"
    assert not [name for name in told if name.startswith("KAFKA_") and "-" in name]
