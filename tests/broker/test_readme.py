"""The README's two examples do what it says of them: one publishes what is counted, the other reads the figure."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.bench import DEADLINE, Bench, run

pytestmark = pytest.mark.broker
README = Path(__file__).parents[2] / "README.md"


def example(number: int, bench: Bench) -> str:
    text = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)[number]
    return text.replace("127.0.0.1:9092", bench.brokers).replace('"footfall.', f'"{bench.settings.topic_prefix}.')


def first_line_with(code: str, wanted: str) -> str:
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            return next(line for line in process.stdout or () if wanted in line)
        finally:
            process.kill()


def test_the_examples_work(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.start("anonymize")
        bench.start("aggregate")
        producer = [sys.executable, "-c", example(0, bench)]
        assert await asyncio.to_thread(subprocess.call, producer, timeout=60) == 0
        assert (await bench.equal()).counted == 1
        reading = asyncio.to_thread(first_line_with, example(1, bench), "acme|user_messages|PT1H|")
        line = await asyncio.wait_for(reading, DEADLINE)
        assert line.split()[1:] == ["1", "provisional"]

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
