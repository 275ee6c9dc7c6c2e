"""A broker that asks everybody who they are: what each role may and may not, refusals, and a run with new secrets."""

import asyncio
import base64
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from pipeline.broker.acls import allow, group_name
from pipeline.broker.admin import admin
from pipeline.broker.certificates import Certified
from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.jars import ready_jars
from pipeline.broker.java import kafka_tool
from pipeline.broker.rights import Right, group_of, topic_rights
from pipeline.broker.secured import Secured, secured
from pipeline.broker.topics import apply
from pipeline.kafka.clients import batch_consumer, producer, started
from pipeline.settings import Settings, load_settings
from pipeline.settings_env import as_environment
from schemas.flow import OPERATOR, ROLES, STAGES
from schemas.topics import TOPICS, topic_name
from tests.broker.bench import PARTITIONS, Bench
from tests.broker.load import make_load

pytestmark = pytest.mark.broker
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
READ, WRITE, CREATE = Right.READ, Right.WRITE, Right.CREATE
MAY: dict[str, dict[str, set[Right]]] = {
    "producers": {"raw": {WRITE}},
    "anonymize": {
        "raw": {READ, WRITE},
        "clean": {WRITE},
        "rejected": {WRITE},
        "ledger": {WRITE},
        "anonymize-state": {READ, WRITE},
    },
    "aggregate": {
        "clean": {READ},
        "aggregates": {READ, WRITE},
        "corrections": {WRITE},
        "aggregate-state": {READ, WRITE},
    },
    "analysts": {short: {READ} for short in ("aggregates", "rejected", "ledger", "corrections")},
    OPERATOR: {short: {READ, CREATE, Right.ALTER_CONFIGS} for short in TOPICS}
    | {short: {READ, WRITE, CREATE, Right.ALTER_CONFIGS} for short in ("raw", "aggregates")},
}
"""What each may do with topics beside looking at them. Said again here, since a slip in the table would be a hole."""
GROUPS: dict[str, dict[str, set[Right]]] = {
    "anonymize": {"anonymize": {READ}},
    "aggregate": {"aggregate": {READ}},
    OPERATOR: {kind: set() for kind in STAGES},
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    folder = tmp_path_factory.mktemp("secured") / "kafka"
    found = EmbeddedBroker(folder, properties=PROPERTIES, access=secured(folder))
    found.start()
    try:
        asyncio.run(prepared(found))
        yield found
    finally:
        found.stop()


async def prepared(broker: EmbeddedBroker) -> None:
    """With the rules of access, the topics, made by the operator, and a topic of somebody else's."""
    async with admin(broker.own) as client:
        await allow(client, PREFIX)
        await client.create_topics([NewTopic("other", 1, 1)])
    assert await apply(settings(broker, OPERATOR))


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
    implied = dict.fromkeys((READ, WRITE, Right.DELETE, Right.ALTER), Right.DESCRIBE)
    implied[Right.ALTER_CONFIGS] = Right.DESCRIBE_CONFIGS
    return rights | {implied[right] for right in rights if right in implied}


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_what_it_should_with_every_topic_and_group_and_nothing_more(
    broker: EmbeddedBroker, role: str
) -> None:
    where = settings(broker, role).connection()
    names = {topic_name(PREFIX, short): short for short in TOPICS} | {"other": "other"}
    looks = {Right.DESCRIBE, Right.DESCRIBE_CONFIGS} if role != "producers" else set()
    found = await topic_rights(where, names)
    for name, short in names.items():
        wanted = closed(MAY[role].get(short, set())) | (looks if short != "other" else set())
        assert set(found.get(name, ())) == wanted, name
    for kind in STAGES:
        group = await group_of(where, group_name(PREFIX, kind))
        wanted = GROUPS.get(role, {}).get(kind)
        assert set(group.rights) == (set() if wanted is None else wanted | {Right.DESCRIBE}), kind


async def reads(broker: EmbeddedBroker, role: str, name: str) -> None:
    where = settings(broker, role).connection()
    async with started(batch_consumer(where), where) as consumer:
        consumer.assign([TopicPartition(name, 0)])
        consumer.seek(TopicPartition(name, 0), 0)
        await consumer.getmany(timeout_ms=3000)


async def writes(broker: EmbeddedBroker, role: str, name: str) -> None:
    where = settings(broker, role).connection()
    async with started(producer(where), where) as writer:
        await writer.send_and_wait(name, b"{}", partition=0)


@pytest.mark.parametrize(
    ("role", "does", "short"),
    [
        ("producers", reads, "raw"),
        ("producers", writes, "clean"),
        ("aggregate", reads, "raw"),
        ("analysts", reads, "raw"),
        ("analysts", writes, "aggregates"),
        ("anonymize", writes, "aggregates"),
        (OPERATOR, writes, "ledger"),
    ],
)
async def test_what_a_role_may_not_is_refused_where_it_is_tried(
    broker: EmbeddedBroker, role: str, does: Callable[..., Awaitable[None]], short: str
) -> None:
    with pytest.raises(
        (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)
    ):  # who may write nothing at all
        await does(broker, role, topic_name(PREFIX, short))


async def test_nobody_looks_into_the_group_of_another(broker: EmbeddedBroker) -> None:
    async with admin(settings(broker, "analysts").connection()) as client:
        with pytest.raises(GroupAuthorizationFailedError):
            await client.list_consumer_group_offsets(group_name(PREFIX, "anonymize"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "OAUTHBEARER"])
async def test_other_logins_give_the_same_rights(broker: EmbeddedBroker, tmp_path: Path, mechanism: str) -> None:
    given: dict[str, Any] = {"brokers": broker.address, "topic_prefix": PREFIX, "security_protocol": "SASL_SSL"}
    given |= {"sasl_mechanism": mechanism, "tls_ca_file": access_of(broker).ca_file}
    if mechanism == "PLAIN":
        (tmp_path / "password").write_text("plain")
        given |= {"sasl_username": "analysts", "sasl_password_file": tmp_path / "password"}
    else:
        given |= {"sasl_token_command": f"echo {unsecured('analysts')}"}
    found = await topic_rights(load_settings(**given).connection(), [topic_name(PREFIX, "aggregates")])
    assert READ in found[topic_name(PREFIX, "aggregates")]
    assert WRITE not in found[topic_name(PREFIX, "aggregates")]


def unsecured(user: str) -> str:
    """A token without a signature, which a broker for tests takes."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@asynccontextmanager
async def bench_of(broker: EmbeddedBroker, folder: Path) -> AsyncIterator[Bench]:
    bench = Bench(broker.address, PREFIX, folder)
    try:
        yield bench
    finally:
        await bench.stop()


def other_secret(folder: Path) -> Path:
    path = folder / "wrong"
    path.write_text("not-the-password\n")
    return path


async def test_a_refused_login_or_certificate_ends_workers_and_commands_in_one_line(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    stranger = tmp_path / "ca.pem"
    stranger.write_bytes(Certified.authority("a stranger", dt.datetime.now(dt.UTC)).pem())
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"sasl_password_file": other_secret(tmp_path)},
            "the brokers refuse the login of aggregate: mend FOOTFALL_SASL",
        ),
        ({"tls_ca_file": stranger}, "is not trusted"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "takes no login by SCRAM-SHA-256: set FOOTFALL_SASL_MECHANISM"),
        ({"sasl_password_file": tmp_path / "none"}, "none, cannot be read"),
    ]
    async with bench_of(broker, tmp_path) as bench:
        for wrong, said in cases:
            given = environment(broker, "aggregate", **wrong)
            for arguments in (("worker", "aggregate"), ("watch", "--once")):
                answer = await bench.footfall(*arguments, **given)
                assert answer.code == 2, answer
                (line,) = answer.err.splitlines()
                assert line.startswith("footfall: ")
                assert said in line
                assert "not-the-password" not in answer.out + answer.err


async def test_workers_count_by_tls_and_scram_while_secrets_are_replaced(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    access = access_of(broker)
    async with bench_of(broker, tmp_path) as bench:
        for kind in STAGES:
            own = tmp_path / f"{kind}.password"
            own.write_text(access.passwords[kind])
            ca = tmp_path / f"{kind}.pem"
            ca.write_bytes(access.ca_file.read_bytes())
            given = environment(broker, kind, sasl_password_file=own, tls_ca_file=ca, session_timeout=30)
            bench.start(kind, **given)
        await feed(broker, 1)
        await counted(bench, broker)
        await new_passwords(broker, tmp_path)
        await new_certificates(broker, tmp_path)
        for seed in (2, 3):
            await all_logged_in_anew(bench)
            await feed(broker, seed)
        told = await counted(bench, broker)
        assert told
        assert [worker.process.poll() for worker in bench.workers] == [None, None]
        said = bench.logs()
        assert not [password for password in access.passwords.values() if password in said]
        assert "s3cr3t" not in said


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
    trusted = "ssl.truststore.type=PEM\nssl.truststore.location=security/ca.pem\n"
    (broker.folder / "client.properties").write_text(f"security.protocol=SSL\n{own}{trusted}")
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
    """Wait until each worker has connections, and none of those that it has now."""
    before = connections(bench)

    async def anew() -> bool:
        now = connections(bench)
        return not before & now and {process for process, _ in now} == {each.process.pid for each in bench.workers}

    await bench.until(anew)
