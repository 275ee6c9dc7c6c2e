"""``footfall replay`` as a process beside a bench: begun, ended, refused, and what it left in its sink."""

import asyncio
import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

from pipeline.kafka.reader import read_topic
from pipeline.processes import WorkerProcess
from pipeline.replay.live import has_members
from pipeline.replay.request import NOTE_KEY
from tests.broker.bench import DEADLINE, PARTITIONS, Bench

__all__ = ["begin_replay", "content", "day", "gone", "none_left", "refused", "replay", "replayed"]

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
    await bench.until(lambda: none_left(bench))


async def none_left(bench: Bench) -> bool:
    """Whether the group of worker aggregate has no member."""
    return not await has_members(bench.settings)
