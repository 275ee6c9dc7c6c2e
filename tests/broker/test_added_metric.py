"""A metric that a release adds, filled for the past by ``footfall replay`` and promoted, on the real broker."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.kafka.reader import ends
from schemas.catalogue.catalogue import BUILT_IN
from schemas.catalogue.metrics import METRICS
from schemas.catalogue.types import EVENT_TYPES
from tests.broker.bench import DEADLINE, PARTITIONS, Bench, run
from tests.broker.load import make_load, publish
from tests.broker.replay_kit import begin_replay, day, none_left, refused, replayed

pytestmark = pytest.mark.broker

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
    _look_again()
    try:
        yield
    finally:
        METRICS.clear()  # type: ignore[attr-defined]
        METRICS.update(metrics)  # type: ignore[attr-defined]
        patch.undo()
        _look_again()


def _look_again() -> None:
    """Let the built-in catalogue forget which types it accepts, whichever test asked for them first."""
    vars(BUILT_IN).pop("accepted", None)


@pytest.mark.parametrize("lateness", ["P35D", "P1D"])
def test_an_added_metric_is_filled_for_the_past_as_if_it_had_always_been_there(
    brokers: str, prefix: str, tmp_path: Path, lateness: str
) -> None:
    async def scenario(bench: Bench) -> None:
        given = {"LATENESS": lateness}
        await _count_the_past(bench, tmp_path, lateness)
        bench.start("anonymize", **given)
        await bench.feed(10, 1500)
        await bench.until(lambda: none_left(bench))
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
        await _go_on(bench, lateness)
        await refused(bench, "--into", "raw", "--promote", words=("worker aggregate is running", "stop"), **given)

    asyncio.run(run(brokers, prefix, tmp_path, scenario))


async def _count_the_past(bench: Bench, folder: Path, lateness: str) -> None:
    """By workers of the old release, which end when the new one is announced."""
    given = {"LATENESS": lateness}
    bench.settings = bench.other(lateness=lateness)
    with old_release(folder):
        old = [bench.start("anonymize", **given), bench.start("aggregate", **given)]
        past = make_load(8, 700, PARTITIONS, time.time() - 10 * 86_400)
        await publish(bench.brokers, bench.topic("raw"), past)
        await bench.feed(9, 1500)
        await bench.equal()
    assert len(await bench.announce(lateness=lateness)) == PARTITIONS
    for worker in old:
        assert await asyncio.to_thread(worker.process.wait, DEADLINE) == 2


async def _go_on(bench: Bench, lateness: str) -> None:
    """Let a worker of the new release count on what was promoted."""
    aggregate = bench.start("aggregate", LATENESS=lateness)
    await bench.equal()
    await bench.feed(11, 1500)
    await aggregate.ready()
    expected = await bench.equal()
    assert not await bench.corrections_unlike(expected)
    late = any(identity.split("|")[1] in ADDED for identity, _ in expected.corrections)
    assert late or lateness == "P1D"
    await bench.end_is_highest()


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
