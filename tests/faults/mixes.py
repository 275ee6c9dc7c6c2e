"""A random mix of faults from a seed: which, when, on how many brokers and workers; then every promise is held up."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.rig import rig
from tests.faults.troubles import CLUSTER, SINGLE, Trouble

__all__ = ["MixResult", "draw_mix", "run_apart", "run_mix"]

_IDLE_AFTER = ("300", "300", "4")
"""Seconds; the short one lets ticks close windows in mid-run."""


@dataclass
class MixResult:
    """What a mix did, the workers' state in ``store``.

    Events ``counted``, troubles that began while data was ``in_flight``, ``seconds`` it took; ``ends`` counts how
    workers ended, by exit code, ``passed`` what the proxies did and what else shows that troubles happened.
    """

    seed: int
    nodes: int
    store: str
    troubles: list[str] = field(default_factory=list)
    counted: int = 0
    in_flight: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    error: str = ""

    def line(self) -> dict[str, Any]:
        """As JSON takes it."""
        return vars(self) | {"ends": {str(code): count for code, count in self.ends.items()}}


def draw_mix(seed: int, *, nodes: int | None = None, only: str | None = None) -> MixResult:
    """What the mix of ``seed`` will do; ``nodes`` and ``only`` (one trouble's name) take the place of the draw."""
    choose = random.Random(f"draw {seed}")
    drawn = choose.choice([1, 1, 3])
    brokers = drawn if nodes is None else nodes
    store = random.Random(f"store {seed}").choice(["memory", "rocksdb"])
    troubles = [only] if only else choose.choices([*_known(brokers)], k=choose.randint(2, 5))
    return MixResult(seed, brokers, store, troubles)


def _known(nodes: int) -> Mapping[str, Trouble]:
    return SINGLE if nodes == 1 else CLUSTER


async def run_mix(result: MixResult, folder: Path, *, at_work: float = 0.7) -> None:
    """Run a mix that was drawn, and fill in what it came to; raises AssertionError where a promise does not hold.

    ``at_work`` is how likely all workers are ready before the first trouble, which else may meet them at their start.
    """
    seed, choose = result.seed, random.Random(f"mix {result.seed}")
    idle = choose.choice(_IDLE_AFTER)
    async with rig(
        folder, f"m{seed}", result.nodes, small_disks="disk_full" in result.troubles, IDLE_AFTER=idle
    ) as made:
        result.ends = made.ends
        for kind in ("anonymize", "aggregate"):
            for _ in range(choose.randint(1, 2)):
                made.keep(kind)
        await made.feed()
        if choose.random() < at_work:
            await made.all_at_work()
        await asyncio.sleep(choose.uniform(0, 3))
        for name in result.troubles:
            async with made.under_load() as in_flight:
                result.in_flight += in_flight
                await _known(result.nodes)[name](made, choose)
            await asyncio.sleep(choose.uniform(0, 3))
        result.passed = made.done
        await made.feed()
        result.counted = (await made.settled()).counted


async def run_apart(results: Sequence[MixResult], folder: Path) -> None:
    """Run one fault after the other in one deployment, each once all that was promised held behind the one before.

    Each result, of the same seed and number of brokers, has one trouble, and is filled in; raises AssertionError.
    """
    seed, nodes, choose = results[0].seed, results[0].nodes, random.Random(f"apart {results[0].seed}")
    small_disks = any("disk_full" in result.troubles for result in results)
    async with rig(folder, f"m{seed}", nodes, small_disks=small_disks, IDLE_AFTER="300") as made:
        made.hours_a_part = 1
        for kind in ("anonymize", "anonymize", "aggregate", "aggregate"):
            made.keep(kind)
        for result in results:
            ends, done = Counter(made.ends), Counter(made.done)
            await made.feed()
            await made.all_at_work()
            async with made.under_load() as in_flight:
                result.in_flight += in_flight
                await _known(nodes)[result.troubles[0]](made, choose)
            counted = (await made.settled()).counted
            result.counted = counted - sum(each.counted for each in results)
            result.ends, result.passed = made.ends - ends, made.done - done
