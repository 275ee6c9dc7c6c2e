"""A broker that asks everybody who they are: what each role may and may not, refusals, and a run with new secrets."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from pipeline.broker.acls import allow, group_name
from pipeline.broker.admin import admin
from pipeline.broker.certificates import Certified
from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.rights import Right, group_of, topic_rights
from pipeline.broker.secured import secured
from pipeline.broker.topics import apply
from pipeline.kafka.clients import batch_consumer, producer, started
from pipeline.settings.settings import load_settings
from schemas.flow import OPERATOR, ROLES, STAGES
from schemas.topics import TOPICS, topic_name
from tests.broker.bench import Bench
from tests.broker.secured_kit import (
    PREFIX,
    PROPERTIES,
    access_of,
    all_logged_in_anew,
    closed,
    counted,
    environment,
    feed,
    new_certificates,
    new_passwords,
    settings,
    unsecured,
)

pytestmark = pytest.mark.broker
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
    other = tmp_path / "ca.pem"
    other.write_bytes(Certified.authority("another", dt.datetime.now(dt.UTC)).pem())
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"sasl_password_file": other_secret(tmp_path)},
            "the brokers refuse the login of aggregate: mend FOOTFALL_SASL",
        ),
        ({"tls_ca_file": other}, "is not trusted"),
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
            # Until the broker's tool has ended, which may take a busy machine long, the login is refused.
            given = environment(broker, kind, sasl_password_file=own, tls_ca_file=ca, session_timeout=180)
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
