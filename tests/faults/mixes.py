"""A random mix of faults from a seed: which, when, on how many brokers and workers; then every promise is held up."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.rig import rig
from tests.faults.troubles import CLUSTER, SINGLE, Trouble

__all__ = ["MixResult", "draw_mix", "run_mix"]


@dataclass
class MixResult:
    """What a mix did; ``ends`` counts how workers ended, by exit code."""

    seed: int
    nodes: int
    troubles: list[str] = field(default_factory=list)
    counted: int = 0
    ends: Counter[int] = field(default_factory=Counter)
    error: str = ""


def draw_mix(seed: int, *, nodes: int | None = None, only: str | None = None) -> MixResult:
    """What the mix of ``seed`` will do; ``nodes`` and ``only`` (one trouble's name) take the place of the draw."""
    choose = random.Random(f"draw {seed}")
    drawn = choose.choice([1, 1, 3])
    brokers = drawn if nodes is None else nodes
    return MixResult(seed, brokers, [only] if only else choose.choices([*_known(brokers)], k=choose.randint(2, 5)))


def _known(nodes: int) -> Mapping[str, Trouble]:
    return SINGLE if nodes == 1 else CLUSTER


async def run_mix(result: MixResult, folder: Path) -> None:
    """Run a mix that was drawn, and fill in what it came to; raises AssertionError where a promise does not hold."""
    seed, choose = result.seed, random.Random(f"mix {result.seed}")
    async with rig(folder, f"m{seed}", result.nodes) as made:
        result.ends = made.ends
        for kind in ("anonymize", "aggregate"):
            for _ in range(choose.randint(1, 2)):
                made.keep(kind)
        feeding = asyncio.create_task(_feed(made.feed, seed, choose.randint(3, 6)))
        await asyncio.sleep(choose.uniform(1, 5))
        for name in result.troubles:
            await _known(result.nodes)[name](made, choose)
            await asyncio.sleep(choose.uniform(0, 3))
        await feeding
        result.counted = (await made.settled()).counted


async def _feed(feed: Callable[[int, int], Awaitable[None]], seed: int, parts: int) -> None:
    for part in range(parts):
        await feed(seed * 100 + part, 600)
        await asyncio.sleep(1)
