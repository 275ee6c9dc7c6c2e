"""The number of partitions cannot change: who raises it is told so everywhere, and no advice makes it worse."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from pipeline.broker.topics import apply
from schemas.topics import TOPICS
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.refusals import fed_and_stopped, refused

pytestmark = pytest.mark.broker
MORE = PARTITIONS + 2
COMMANDS = (
    ("verify",),
    ("oracle",),
    ("audit",),
    ("audit", "--against-raw"),
    ("topics", "fold"),
    ("explain", "acme|chats_created|P1M|2026-11-01T00:00:00Z|"),
    ("replay", "--from", "2026-11-01", "--into", "x"),
    ("simulate", "--publish", "--events", "10"),
)


async def grow(bench: Bench, *shorts: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
    await admin.start()
    try:
        await admin.create_partitions({bench.topic(short): NewPartitions(MORE) for short in shorts})
    finally:
        await admin.close()


async def all_refuse(bench: Bench, *words: str, **more: str) -> None:
    for command in COMMANDS:
        answer = await bench.footfall(*command, **(bench.keys | more))
        assert answer.code == 2, (command, answer)
        assert answer.err.strip().startswith("footfall: "), (command, answer.err)
        for word in words:
            assert word in answer.err, (command, answer.err)
        assert "FOOTFALL_PARTITIONS" not in answer.err
    doctor = await bench.footfall("doctor", **(bench.keys | more))
    assert doctor.code == 1
    assert "cannot change" in doctor.out or words[0] in doctor.out


def test_raw_that_is_grown_under_running_workers_ends_them_within_a_minute_and_is_refused_everywhere(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(1, 300)
        await bench.equal()
        await grow(bench, "raw")
        raw, words = bench.topic("raw"), (f"has {MORE} partitions", "take a new FOOTFALL_TOPIC_PREFIX")
        for worker in pair:
            line = await refused(worker, raw, *words, deadline=60)
            assert "FOOTFALL_PARTITIONS" not in line
        for kind in ("anonymize", "aggregate"):
            await refused(bench.start(kind), raw, *words)
        await all_refuse(bench, raw, *words)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_all_topics_grown_and_the_setting_raised_with_them_is_refused_everywhere_and_the_advice_leads_on(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        await grow(bench, *TOPICS)
        raised, words = {"PARTITIONS": str(MORE)}, (f"has {MORE} partitions", f"begun with {PARTITIONS}")
        for given in ({}, raised):
            for kind in ("anonymize", "aggregate"):
                await refused(bench.start(kind, **given), *words, "take a new FOOTFALL_TOPIC_PREFIX")
        await all_refuse(bench, *words, **raised)
        assert (await bench.footfall("topics", "apply", **raised)).code == 2
        anew = Bench(bench.brokers, f"{prefix}new", tmp_path / "new")
        try:
            assert (await anew.footfall("topics", "apply", **raised)).code == 0
            for kind in ("anonymize", "aggregate"):
                await anew.start(kind, **raised).ready()
        finally:
            await anew.stop()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_setting_that_is_wrong_is_corrected_as_advised_and_makes_no_topic_beside_the_others(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        await fed_and_stopped(bench)
        wrong = {"PARTITIONS": str(MORE)}
        words = f"set FOOTFALL_PARTITIONS={PARTITIONS} for every worker and command"
        await refused(bench.start("anonymize", **wrong), words)
        admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
        await admin.start()
        try:
            await admin.delete_topics([bench.topic("rejected")])
        finally:
            await admin.close()
        answer = await bench.footfall("topics", "apply", **wrong)
        assert answer.code == 2
        assert words in answer.err
        await bench.until(lambda: apply(bench.settings))
        for kind in ("anonymize", "aggregate"):
            await bench.start(kind).ready()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
