"""``footfall replay`` on the real broker: beside running workers, cut short, refused; figures of its own sink."""

import asyncio
import datetime as dt
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.broker.topics import partitions_of
from pipeline.kafka.reader import ends, read_topic
from pipeline.proof.oracle.homes import home_of
from schemas.times import instant
from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.replay_kit import begin_replay, content, day, gone, refused, replay, replayed

pytestmark = pytest.mark.broker


def test_a_replay_beside_running_workers_equals_the_live_sink(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(1, 3000)
        await bench.equal()
        feeding = asyncio.create_task(bench.feed(2, 3000))
        found = await replayed(bench, 0, "--from", day(36), "--into", "all")
        await feeding
        assert found["figures"] == found["appended"] > 300
        assert found["equal"] is True
        assert len(await content(bench, "all")) == found["figures"]
        expected = await bench.equal()
        again = await replayed(bench, 0, "--from", day(36), "--into", "all")
        assert again["figures"] == found["figures"]
        assert again["appended"] == 0
        last = await replayed(bench, 0, "--from", day(1), "--into", "last", "--metric", "dau", "--metric", "prompts")
        begin = dt.datetime.fromisoformat(f"{day(1)}T00:00:00Z").timestamp() * 1000
        wanted = {
            key.encode()
            for key, figure in expected.figures.items()
            if figure["metric"] in {"dau", "prompts"} and figure["window"]["start"] >= instant(int(begin))
        }
        assert set(await content(bench, "last")) == wanted
        assert last["live"]["moved_on"] == 0
        assert any("P1M" in line for line in last["left_out"])
        assert [await worker.stop() for worker in pair] == [0, 0]

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_a_replay_killed_again_and_again_ends_as_one_that_was_not(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(5, 4000)
        await bench.equal()
        await gone(bench, *pair)
        asked = ("--from", day(36))
        whole = await replayed(bench, 0, *asked, "--into", "whole")
        name, cuts = f"{bench.topic('aggregates')}.cut", 0
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            process = begin_replay(bench, *asked, "--into", "cut")
            before = await _written(bench, name)

            async def grown(process: Any = process, before: int = before) -> bool:
                return process.poll() is not None or await _written(bench, name) > before

            await bench.until(grown)
            process.send_signal(number)
            _, err = await asyncio.to_thread(process.communicate, timeout=30)
            if number == signal.SIGINT and process.returncode == 130:
                assert "the same command goes on" in err
            cuts += process.returncode not in {0, 1}
        assert cuts >= 1
        done = await replayed(bench, 0, *asked, "--into", "cut")
        assert done["figures"] == whole["figures"]
        assert await content(bench, "cut") == await content(bench, "whole")

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _written(bench: Bench, name: str) -> int:
    return len(await read_topic(bench.brokers, name)) if await partitions_of(bench.settings, name) else 0


def test_what_the_live_sink_says_otherwise_is_shown_and_never_rewritten(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(5, 1500)
        expected = await bench.equal()
        await gone(bench, *pair)
        identity = next(key for key in sorted(expected.figures) if "|prompts|P1D|" in key)
        figure = expected.figures[identity]
        partition = home_of(figure["company"].encode(), PARTITIONS)
        false = json.dumps(figure | {"value": figure["value"] + 1}).encode()
        surplus = json.dumps(figure | {"id": identity + "x"}).encode()
        sink = bench.topic("aggregates")
        producer = AIOKafkaProducer(bootstrap_servers=brokers)
        await producer.start()
        try:
            await producer.send_and_wait(sink, false, key=identity.encode(), partition=partition)
            await producer.send_and_wait(sink, surplus, key=f"{identity}x".encode(), partition=partition)
        finally:
            await producer.stop()
        found = await replayed(bench, 1, "--from", day(80), "--into", "check")
        told = [found["live"][kind] for kind in ("missing", "surplus", "wrong")]
        assert told == [0, 1, 1], found["differences"]
        assert [each["id"] for each in found["differences"] if each["kind"] == "wrong"] == [identity]
        before = await ends(brokers, sink), await ends(brokers, bench.topic("aggregate-state"))
        code, out, _ = await replay(bench, "--into", "check", "--promote")
        assert code == 1
        assert "not promoted" in out
        assert (await ends(brokers, sink), await ends(brokers, bench.topic("aggregate-state"))) == before

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


def test_what_is_not_to_be_had_is_refused_and_changes_nothing(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        pair = [bench.start("anonymize"), bench.start("aggregate")]
        await bench.feed(5, 800)
        await bench.equal()
        into = ("--into", "x")
        await refused(bench, "--from", day(1), "--to", day(1), *into, words=("is not after",))
        await refused(bench, "--from", day(1), "--source", "raw", *into, words=("pseudonym key",))
        await refused(bench, *into, "--promote", words=("there is no replay",))
        await refused(bench, *into, "--remove", words=("there is no topic",))
        wrong = {"PSEUDONYM_KEY": "ab" * 32, "CONTROL_KEY": bench.keys["CONTROL_KEY"]}
        await refused(bench, "--from", day(1), "--source", "raw", *into, words=("key is not the one",), **wrong)
        await refused(bench, "--from", day(1), *into, words=("is under the fold digest",), LATENESS="P3D")
        await replayed(bench, 0, "--from", day(1), "--into", "y")
        await refused(bench, "--from", day(2), "--into", "y", words=("other arguments",))
        await refused(bench, "--into", "y", "--promote", words=("worker aggregate is running",))
        await _cut_clean(bench)
        await refused(bench, "--from", day(2), *into, words=("still holds in full", "it could begin at"))
        assert not await partitions_of(bench.settings, f"{bench.topic('aggregates')}.x")
        code, out, _ = await replay(bench, "--into", "y", "--remove")
        assert (code, out.split()[0]) == (0, "removed")
        assert [await worker.stop() for worker in pair] == [0, 0]

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _cut_clean(bench: Bench) -> None:
    """Delete all but the last chunk of each partition, as retention does."""
    name = bench.topic("clean")
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.brokers)
    await admin.start()
    try:
        cut = {
            TopicPartition(name, number): RecordsToDelete(before_offset=end - 1)
            for number, (_, end) in (await ends(bench.brokers, name)).items()
            if end > 1
        }
        await admin.delete_records(cut)
    finally:
        await admin.close()
