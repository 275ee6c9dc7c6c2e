"""``footfall replay`` on the real broker: beside running workers, cut short, promoted, refused."""

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.broker.topics import partitions_of
from pipeline.processes import WorkerProcess
from pipeline.reading import read_topic
from pipeline.replay.asked import NOTE_KEY
from pipeline.replay.live import has_members
from schemas.limits import DAY_MS
from schemas.times import instant
from tests.broker.bench import DEADLINE, PARTITIONS, Bench, run

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
    assert found == code, (found, out[-2000:], err[-2000:])
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
        feeding = asyncio.create_task(bench.feed(2, 3000))
        found = await replayed(bench, 0, "--from", day(36), "--into", "all")
        await feeding
        assert found["figures"] == found["appended"] > 1000
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
