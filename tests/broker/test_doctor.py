"""``doctor`` on the real broker: fine where a start and the work are, red where they are not."""

import asyncio
import secrets
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.admin import CreateAclsRequest

from pipeline.broker.admin import admin
from pipeline.broker.embedded import EmbeddedBroker
from pipeline.broker.topics import apply
from pipeline.doctor import Finding, Verdict, examine
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.test_refusals import _deleted, _until_made, fed_and_stopped

pytestmark = pytest.mark.broker
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
TOPIC, LITERAL, ALL, WRITE, DENY, ALLOW = 2, 3, 2, 4, 2, 3
"""As Kafka's ACLs number them."""


async def findings(bench: Bench, still: float = 10, **more: object) -> dict[str, Finding]:
    """What it finds with the settings of the bench, its key, and ``more``."""
    known = {name.lower(): key for name, key in bench.keys.items()}
    known |= {"workers": ",".join(each.metrics_address for each in bench.workers)}
    settings = type(bench.settings)(**(bench.settings.model_dump(exclude_unset=True) | known | more))
    return {each.check: each for each in await examine(settings, still=still)}


def wrong(found: dict[str, Finding]) -> dict[str, str]:
    return {check: each.found for check, each in found.items() if each.verdict is Verdict.WRONG}


def test_it_is_fine_before_the_start_and_at_work_and_red_where_a_worker_stands_still(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        begun = await findings(bench)
        assert not wrong(begun)
        assert begun["start of anonymize"].verdict is begun["start of aggregate"].verdict is Verdict.FINE
        assert begun["rights"].verdict is Verdict.FINE
        assert begun["group anonymize"].verdict is Verdict.WARNING
        first, second = bench.start("anonymize", SESSION_TIMEOUT="60"), bench.start("aggregate")
        for worker in (first, second):
            await worker.ready()
        await bench.feed(1, 300)
        await bench.equal()
        at_work = await findings(bench)
        assert not wrong(at_work)
        assert at_work["group anonymize"].found == at_work["group aggregate"].found == "1 worker, at the end"
        assert at_work[f"worker at {first.metrics_address}"].found == "ready"
        assert "of 3" in at_work["rejections"].found or "of 4" in at_work["rejections"].found
        other = await findings(bench, pseudonym_key=secrets.token_hex(32))
        assert wrong(other).keys() == {"start of anonymize"}
        assert "pseudonym key" in other["start of anonymize"].found
        assert wrong(await findings(bench, lateness="P20D")).keys() == {"start of anonymize", "start of aggregate"}
        first.process.send_signal(signal.SIGSTOP)
        await bench.feed(2, 300)
        paused = wrong(await findings(bench, still=3))
        assert "stands still" in paused.pop("group anonymize")
        assert paused == {f"worker at {first.metrics_address}": "does not answer"}
        first.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.process.wait)
        second.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(second.process.wait)

        async def left() -> bool:  # another process sends the request to leave
            return "no worker is in it" in wrong(await findings(bench, still=1)).get("group anonymize", "")

        await bench.until(left)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_it_is_red_where_a_start_would_be_refused(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        bench.workers.clear()
        assert not wrong(await findings(bench))
        await _deleted(bench, "anonymize-state", "aggregate-state")
        gone = wrong(await findings(bench))
        assert gone.keys() == {"topics"}
        await _until_made(bench)
        lost = wrong(await findings(bench))
        assert lost.keys() == {"start of anonymize", "start of aggregate"}
        assert all("events lost" in each for each in lost.values())

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_it_is_red_where_an_open_transaction_holds_a_partition(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=prefix)
        await producer.start()
        try:
            await producer.begin_transaction()
            await producer.send_and_wait(bench.topic("raw"), b"{}", partition=2)
            held = wrong(await findings(bench, still=3))
            assert "an open transaction holds partition 2 at offset 0" in held.pop("group anonymize")
            assert not held
            await producer.abort_transaction()
        finally:
            await producer.stop()

        async def freed() -> bool:
            return not wrong(await findings(bench, still=3))

        await bench.until(freed)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_it_is_red_where_a_right_is_missing(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka", properties=AUTHORIZER)
    broker.start()

    async def scenario(bench: Bench) -> None:
        assert not wrong(await findings(bench))
        async with admin(bench.brokers) as client:
            for operation, permission in ((ALL, ALLOW), (WRITE, DENY)):
                rule = (TOPIC, bench.topic("clean"), LITERAL, "User:ANONYMOUS", "*", operation, permission)
                await client._send_request(CreateAclsRequest(*rule))

        async def told() -> bool:
            return "Write on topic" in wrong(await findings(bench)).get("rights", "")

        await bench.until(told)
        assert wrong(await findings(bench)) == {
            "rights": f"this user lacks Write on topic {bench.topic('clean')} for worker anonymize"
        }

    async def on_a_broker_of_its_own() -> None:
        bench = Bench(broker.address, "rights", tmp_path)
        await apply(bench.settings)
        assert bench.settings.partitions == PARTITIONS
        await scenario(bench)

    try:
        asyncio.run(on_a_broker_of_its_own())
    finally:
        broker.stop()
