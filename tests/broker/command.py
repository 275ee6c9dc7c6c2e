"""The program as a user runs it, beside real workers on the real broker."""

import asyncio
import os
import sys
from typing import NamedTuple

from tests.broker.bench import DEADLINE, PARTITIONS, Bench

__all__ = ["Answer", "footfall"]


class Answer(NamedTuple):
    code: int
    out: str
    err: str


async def footfall(bench: Bench, *arguments: str, **variables: str) -> Answer:
    """Run the program once, as another process; ``variables`` are of its environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FOOTFALL_")} | {
        "FOOTFALL_BROKERS": bench.brokers,
        "FOOTFALL_TOPIC_PREFIX": bench.settings.topic_prefix,
        "FOOTFALL_PARTITIONS": str(PARTITIONS),
        "COLUMNS": "200",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from pipeline.cli import main; main()",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    return Answer(process.returncode or 0, out.decode(), err.decode())
