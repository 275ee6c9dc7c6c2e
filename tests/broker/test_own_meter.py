"""The guide ``docs/catalogue.md``, followed command by command on the real broker."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from schemas.examples import EXAMPLE_CATALOGUE
from schemas.limits import DAY_MS
from schemas.times import instant
from tests.broker.bench import Bench, run

pytestmark = pytest.mark.broker
GUIDE = Path(__file__).parents[2] / "docs" / "catalogue.md"
COMMANDS = [
    line.removeprefix("footfall ").split()
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("footfall ")
]


def toml() -> str:
    (found,) = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return str(found)


async def test_the_guide_is_followed(brokers: str, prefix: str, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        path = tmp_path / "meters.toml"
        path.write_text(toml())
        since = instant(int(time.time() * 1000) - 16 * DAY_MS)[:10]
        given = {"meters.toml": str(path), "2026-11-01": since}
        left = [*COMMANDS]

        async def follow(*words: str, code: int = 0, **more: str) -> str:
            command = left.pop(0)
            assert command[: len(words)] == [*words], f"the guide goes on with {command}"
            answer = await bench.footfall(*(given.get(word, word) for word in command), **(bench.keys | more))
            assert answer.code == code, answer.out + answer.err
            return answer.out

        former = [bench.start(kind) for kind in ("anonymize", "aggregate")]
        await bench.footfall("simulate", "--events", "3000", "--publish", **bench.keys)
        await bench.all_equal()
        assert "no mistake" in await follow("catalogue", "check")
        assert "bytes_uploaded" in await follow("catalogue", "diff")
        assert "announced" in await follow("topics", "fold", CATALOGUE=str(path))
        bench.settle_on({"CATALOGUE": str(path)})
        await bench.start("anonymize").ready()
        for worker in former:
            await bench.until(lambda worker=worker: asyncio.to_thread(lambda: worker.process.poll() is not None))
        assert "missing" in await follow("replay", "--from", code=1)
        await follow("replay", "--into", "fill", "--promote")
        await follow("replay", "--into", "fill", "--remove")
        await bench.start("aggregate").ready()
        await follow("simulate")
        assert "equal" in await follow("verify")
        await _another_catalogue_is_refused(bench, path)
        assert "bytes uploaded" in await follow("watch", "--own", "--once")
        assert "file.uploaded" in await follow("catalogue", "show", "--own")
        assert not left

    await run(brokers, prefix, tmp_path, scenario)


async def _another_catalogue_is_refused(bench: Bench, path: Path) -> None:
    """With settings that are not in force ``catalogue diff`` compares nothing."""
    other = await bench.footfall("catalogue", "diff", str(path), **(bench.keys | {"CATALOGUE": str(EXAMPLE_CATALOGUE)}))
    assert other.code == 2
    assert "use the release and the settings" in other.err
