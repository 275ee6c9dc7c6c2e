"""The release before this one on the real broker: its state is gone on with, and a way back is refused in a line."""

import asyncio
from pathlib import Path

import pytest

from tests.broker.bench import PARTITIONS, Bench, run
from tests.broker.refusals import refused
from tests.faults.troubles.releases import NoHistoryError, unpack_release

pytestmark = pytest.mark.broker
KINDS = ("anonymize", "aggregate")
BEFORE = "cbfa7dc54f256e9b159c4f70af1ba6b2a71ee01a"
"""The last commit of fold version 3."""
SOON = 60


def test_the_state_of_the_release_before_is_gone_on_with_and_there_is_no_way_back(
    brokers: str, prefix: str, tmp_path: Path
) -> None:
    try:
        unpack_release(BEFORE, tmp_path / "before")
    except NoHistoryError:
        pytest.skip("this checkout has no history, so there is no release before")
    before = {"PYTHONPATH": str(tmp_path / "before")}

    async def scenario(bench: Bench) -> None:
        old = [bench.start(kind, variables=before) for kind in KINDS]
        await bench.feed(1, 1500)
        await bench.equal()
        announced = await bench.announced()
        assert announced.partitions == [*range(PARTITIONS)]
        in_force = bench.other().digest()
        assert announced.before not in {None, in_force}
        for worker in old:
            await refused(worker, "fold digest", deadline=SOON)
        new = [bench.start(kind) for kind in KINDS]
        await bench.feed(2, 1500)
        await bench.all_equal()
        back = await bench.footfall("topics", "fold", variables=before, **bench.keys)
        assert (back.code, back.out) == (2, "")
        assert "holds a chunk of version 3: start the release that wrote it, or a later one" in back.err
        assert back.err.count("\n") == 1
        for kind in KINDS:
            await refused(bench.start(kind, variables=before), "which was in force before: start", in_force[:16])
        assert all(worker.process.poll() is None for worker in new)
        await bench.all_equal()
        await bench.end_is_highest()

    asyncio.run(run(brokers, prefix, tmp_path, scenario))
