"""``footfall replay`` on the real broker: beside running workers, cut short, promoted, refused."""

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from pipeline.broker.topics import partitions_of
from pipeline.kafka.reader import ends, read_topic
from pipeline.processes import WorkerProcess
from pipeline.proof.oracle.homes import home_of
from pipeline.replay.live import has_members
from pipeline.replay.request import NOTE_KEY
from schemas.catalogue.metrics import METRICS
from schemas.catalogue.types import EVENT_TYPES
from schemas.times import instant
from tests.broker.bench import DEADLINE, PARTITIONS, Bench, run
from tests.broker.load import make_load, publish

pytestmark = pytest.mark.broker

PROGRAM = "from pipeline.cli import main; main()"


def day(back: int) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(days=back)).strftime("%Y-%m-%d")


def begin_replay(bench: Bench, *arguments: str, program: str = PROGRAM, **more: str) -> subprocess.Popen[str]:
    given = {key: value for key, value in os.environ.items() if not key.startswith("FOOTFALL_")}
    given |= {
        "FOOTFALL_BROKERS": bench.brokers,
        "FOOTFALL_TOPIC_PREFIX": bench.settings.topic_prefix,
        "FOOTFALL_PARTITIONS": str(PARTITIONS),
        **{f"FOOTFALL_{key}": value for key, value in more.items()},
    }
    return subprocess.Popen(
        [sys.executable, "-c", program, "replay", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=given,
        cwd=bench.folder,
    )


async def replay(bench: Bench, *arguments: str, program: str = PROGRAM, **more: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    process = begin_replay(bench, *arguments, program=program, **more)
    out, err = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
    return process.returncode, out, err


async def replayed(bench: Bench, code: int, *arguments: str, **more: str) -> dict[str, Any]:
    """What ``--json`` says."""
    found, out, err = await replay(bench, *arguments, "--json", **more)
    assert found == code, (found, out[:2000], err[-2000:])
    return json.loads(out)


async def refused(bench: Bench, *arguments: str, words: tuple[str, ...], **more: str) -> None:
    code, out, err = await replay(bench, *arguments, **more)
    lines = [line for line in err.splitlines() if line.startswith("footfall: ")]
    assert (code, len(lines)) == (2, 1), (code, out, err)
    for word in words:
        assert word in lines[0]


async def content(bench: Bench, suffix: str) -> dict[bytes, bytes]:
    """Id to record in a replay's sink, each of which is there once."""
    stored = await read_topic(bench.brokers, f"{bench.topic('aggregates')}.{suffix}")
    rows = [(record.key or b"", record.value or b"") for record in stored if record.key != NOTE_KEY]
    assert len(rows) == len(dict(rows))
    return dict(rows)


async def gone(bench: Bench, *workers: WorkerProcess) -> None:
    """Stop workers, and wait until their group has no member."""
    for worker in workers:
        assert await worker.stop() == 0

    async def empty() -> bool:
        return not await has_members(bench.settings)

    await bench.until(empty)


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


OLD_RELEASE = """
from dataclasses import replace
from schemas.catalogue.types import EVENT_TYPES
from schemas.catalogue.metrics import METRICS
del METRICS["spaces_created"], METRICS["installations"]
started = EVENT_TYPES["app.started"]
EVENT_TYPES["app.started"] = replace(started, fields=started.fields[:2])
"""
"""A release whose catalogue lacks two metrics, and a field that one of them needs."""
ADDED = {"spaces_created", "installations"}


@contextmanager
def old_release(folder: Path) -> Iterator[None]:
    """Let programs that are started within be of the old release, and the oracle of this process as well."""
    patch, metrics = pytest.MonkeyPatch(), dict(METRICS)
    (folder / "sitecustomize.py").write_text(OLD_RELEASE)
    patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
    started = EVENT_TYPES["app.started"]
    patch.setitem(EVENT_TYPES, "app.started", replace(started, fields=started.fields[:2]))  # type: ignore[arg-type]
    for name in ADDED:
        del METRICS[name]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        METRICS.clear()  # type: ignore[attr-defined]
        METRICS.update(metrics)  # type: ignore[attr-defined]
        patch.undo()


@pytest.mark.parametrize("lateness", ["P35D", "P1D"])
def test_an_added_metric_is_filled_for_the_past_as_if_it_had_always_been_there(
    brokers: str, prefix: str, tmp_path: Path, lateness: str
) -> None:
    async def scenario(bench: Bench) -> None:
        given = {"LATENESS": lateness}
        bench.settings = bench.other(lateness=lateness)
        with old_release(tmp_path):
            old = [bench.start("anonymize", **given), bench.start("aggregate", **given)]
            past = make_load(8, 700, PARTITIONS, time.time() - 10 * 86_400)
            await publish(brokers, bench.topic("raw"), past)
            await bench.feed(9, 1500)
            await bench.equal()
        assert len(await bench.announce(lateness=lateness)) == PARTITIONS
        for worker in old:
            assert await asyncio.to_thread(worker.process.wait, DEADLINE) == 2
        bench.start("anonymize", **given)
        await bench.feed(10, 1500)
        await bench.until(lambda: _none_left(bench))
        asked = ("--from", day(80), "--metric")
        spaces = await replayed(bench, 1, *asked, "spaces_created", "--into", "spaces", **given)
        assert spaces["live"]["missing"] == spaces["figures"] > 20
        assert spaces["incomplete"] == {}
        without = await replayed(bench, 0, *asked, "installations", "--into", "apps", **given)
        assert without["figures"] == 0
        assert list(without["incomplete"]) == ["installations"]
        key = given | bench.keys
        apps = await replayed(bench, 1, *asked, "installations", "--source", "raw", "--into", "raw", **key)
        assert apps["live"]["missing"] == apps["figures"] > 10
        assert apps["incomplete"] == {}
        await _promote_killed(bench, "spaces", **given)
        copied = await replayed(bench, 0, "--into", "raw", "--promote", **key)
        assert copied["copied"] == apps["figures"]
        assert (await replayed(bench, 0, "--into", "spaces", "--promote", **given))["copied"] == 0
        aggregate = bench.start("aggregate", **given)
        await bench.equal()
        await bench.feed(11, 1500)
        await aggregate.ready()
        expected = await bench.equal()
        assert not await bench.corrections_unlike(expected)
        late = any(identity.split("|")[1] in ADDED for identity, _ in expected.corrections)
        assert late or lateness == "P1D"
        await bench.end_is_highest()
        await refused(bench, "--into", "raw", "--promote", words=("worker aggregate is running", "stop"), **given)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _none_left(bench: Bench) -> bool:
    """Whether the group of worker aggregate has no member."""
    return not await has_members(bench.settings)


async def _promote_killed(bench: Bench, suffix: str, **given: str) -> None:
    """Promote, killed as soon as anything is written, and again to the end."""
    state = bench.topic("aggregate-state")
    before = sum(end for _, end in (await ends(bench.brokers, state)).values())
    process = begin_replay(bench, "--into", suffix, "--promote", **given)

    async def begun() -> bool:
        return process.poll() is not None or sum(end for _, end in (await ends(bench.brokers, state)).values()) > before

    await bench.until(begun)
    process.kill()
    await asyncio.to_thread(process.communicate)
    assert (await replayed(bench, 0, "--into", suffix, "--promote", **given))["copied"] >= 0


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
