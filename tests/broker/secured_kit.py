"""What tests of a secured broker do as its roles: log in, publish, verify, and replace secrets while workers run."""

import asyncio
import base64
import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

import psutil
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.broker.admin import admin
from pipeline.broker.certificates import Certified
from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.jars import ready_jars
from pipeline.broker.java import kafka_tool
from pipeline.broker.rights import Right
from pipeline.broker.secured import Secured
from pipeline.kafka.clients import producer, started
from pipeline.settings.env import as_environment
from pipeline.settings.settings import Settings, load_settings
from schemas.flow import OPERATOR, STAGES
from schemas.topics import topic_name
from tests.broker.bench import PARTITIONS, Bench
from tests.broker.load import make_load

PREFIX = "secured"
CLIENTS, MODULES = "listener.name.clients", "org.apache.kafka.common.security"
PROPERTIES = {
    # The broker cuts every connection at its first request after 5 s: each logs in anew, again and again.
    f"{CLIENTS}.connections.max.reauth.ms": "5000",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN,OAUTHBEARER",
    f"{CLIENTS}.plain.sasl.jaas.config": f'{MODULES}.plain.PlainLoginModule required user_analysts="plain";',
    f"{CLIENTS}.oauthbearer.sasl.jaas.config": (
        f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
    ),
}


def access_of(broker: EmbeddedBroker) -> Secured:
    assert broker.access is not None
    return broker.access


def settings(broker: EmbeddedBroker, role: str, **more: Any) -> Settings:
    given = {"brokers": broker.address, "topic_prefix": PREFIX, "partitions": PARTITIONS}
    return load_settings(**(given | access_of(broker).settings(role) | more))


def environment(broker: EmbeddedBroker, role: str, **more: Any) -> dict[str, str]:
    """The same as a process is given it: what was set, and not the defaults."""
    given = settings(broker, role, **more)
    wanted = {name.upper() for name in given.model_fields_set}
    return {name: text for name, text in as_environment(given).items() if name in wanted}


def closed(rights: set[Right]) -> set[Right]:
    """With what these imply."""
    implied = dict.fromkeys((Right.READ, Right.WRITE, Right.DELETE, Right.ALTER), Right.DESCRIBE)
    implied[Right.ALTER_CONFIGS] = Right.DESCRIBE_CONFIGS
    return rights | {implied[right] for right in rights if right in implied}


def unsecured(user: str) -> str:
    """A token without a signature, which a broker for tests takes."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


async def feed(broker: EmbeddedBroker, seed: int) -> None:
    where = settings(broker, "producers").connection()
    async with started(producer(where), where) as writer:
        sent = [
            await writer.send(topic_name(PREFIX, "raw"), value, key=key, partition=partition)
            for partition, key, value in make_load(seed, 300, PARTITIONS)
        ]
        await asyncio.gather(*sent)


async def counted(bench: Bench, broker: EmbeddedBroker) -> str:
    """Wait until the operator finds every figure equal to the oracle's."""
    given = environment(broker, OPERATOR, control_key=bench.keys["CONTROL_KEY"])
    answer = await bench.footfall("verify", "--wait", "150", **given)
    assert answer.code == 0, (answer, bench.logs()[-3000:])
    return answer.out


async def new_passwords(broker: EmbeddedBroker, folder: Path) -> None:
    """The broker learns each worker's new password, then its file is replaced."""
    own = "ssl.keystore.type=PEM\nssl.keystore.location=security/broker.pem\n"
    patient = "default.api.timeout.ms=300000\nrequest.timeout.ms=120000\n"  # of a busy machine
    trusted = "ssl.truststore.type=PEM\nssl.truststore.location=security/ca.pem\n"
    (broker.folder / "client.properties").write_text(f"security.protocol=SSL\n{own}{trusted}{patient}")
    for kind in STAGES:
        done = await asyncio.to_thread(
            kafka_tool,
            ready_jars(),
            broker.folder,
            "kafka.admin.ConfigCommand",
            *("--bootstrap-server", broker.internal, "--command-config", "client.properties", "--alter"),
            *("--add-config", f"SCRAM-SHA-512=[password=s3cr3t-{kind}]", "--entity-type", "users"),
            *("--entity-name", kind),
        )
        assert done.returncode == 0, done
        replaced(folder / f"{kind}.password", f"s3cr3t-{kind}\n".encode())


async def new_certificates(broker: EmbeddedBroker, folder: Path) -> None:
    """Clients learn to trust a second authority, then the broker shows a certificate of that."""
    now = dt.datetime.now(dt.UTC)
    authority = Certified.authority("the next", now)
    shown = authority.signed("broker", ("127.0.0.1", "localhost", "::1"), now)
    both = access_of(broker).ca_file.read_bytes() + authority.pem()
    for file in (*(folder / f"{kind}.pem" for kind in STAGES), access_of(broker).ca_file):
        replaced(file, both)
    replaced(broker.folder / "security" / "next.pem", shown.key_pem() + shown.pem())
    listener = "listener.name.clients.ssl.keystore."
    change = {f"{listener}location": "security/next.pem", f"{listener}type": "PEM"}
    async with admin(broker.own) as client:
        for answer in await client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", change)]):
            assert not [told for told in answer.resources if told[0]], answer


def replaced(path: Path, content: bytes) -> None:
    begun = path.with_name(f".{path.name}")
    begun.write_bytes(content)
    begun.replace(path)


def connections(bench: Bench) -> set[tuple[int, int]]:
    """The connections of the workers to the broker: process and own port."""
    port = int(bench.brokers.rpartition(":")[2])
    return {
        (worker.process.pid, each.laddr.port)
        for worker in bench.workers
        for each in psutil.Process(worker.process.pid).net_connections("tcp")
        if each.raddr and each.raddr.port == port
    }


async def all_logged_in_anew(bench: Bench) -> None:
    """Wait until of each worker a connection was cut and another was made.

    One that nothing is asked over is not cut yet: its first request will be the last.
    """
    before = connections(bench)

    async def anew() -> bool:
        now, processes = connections(bench), {each.process.pid for each in bench.workers}
        return {process for process, _ in before - now} == {process for process, _ in now - before} == processes

    await bench.until(anew)
