"""Schedules from seeds: what is published, and what happens next, drawn at random."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
import structlog

from agents.core.shared.joins import StateError
from pipeline.kafka.reader import StoredRecord
from pipeline.settings.settings import load_settings
from pipeline.worker import clean_owner, restoring
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant, parse_time
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.meters import METERS_FILE
from tests.protocol.hostile import HARMS
from tests.protocol.memory import Waiting
from tests.protocol.simulation import KINDS, Fate, NoRestError, Simulation
from tests.protocol.tenures import Manner, Tenure

__all__ = ["SETTINGS", "drawn_load", "made", "run", "small_batches"]

RECORDS = 60
SETTINGS = load_settings(
    topic_prefix="model",
    partitions=PARTITIONS,
    lateness=timedelta(milliseconds=DECIDING.lateness),
    max_series=DECIDING.max_series,
    catalogue=METERS_FILE,
    record_duplicates=True,
)
_TROUBLES = [
    "crash",
    "pause",
    "wake",
    "sleep",
    "expire",
    "arrive",
    "unanswered",
    "compact",
    "time",
    "rebalance",
    "follow",
    "harm",
    "announce",
]
_MOST_STEPS = 4000
_FATES = (Fate.LANDS, Fate.LANDS, Fate.LOST, Fate.LATE)


@contextmanager
def small_batches() -> Iterator[None]:
    """Small ones, so that troubles fall between them; owners keep silent."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean_owner, "_DRAWN", 4)
        patch.setattr(restoring, "_MENDED_ROWS", 3)
        yield
    structlog.configure(**before)


def drawn_load(seed: int, count: int = RECORDS) -> list[StoredRecord]:
    """A random log, some of it misplaced; with some seeds so long a pause in it that everything expires."""
    choose = random.Random(f"load {seed}")
    leap = choose.choice([0, 0, 40 * DAY_MS])
    load = [
        record._replace(partition=choose.randrange(PARTITIONS)) if choose.random() < 0.1 else record
        for record in random_log(seed, count, sign=False)
    ]
    return [*load[: count // 2], *(_later(record, leap) for record in load[count // 2 :])]


def _later(record: StoredRecord, by: int) -> StoredRecord:
    told: Any = orjson.loads(record.value) if record.value and by else None
    for event in told if isinstance(told, list) else [told] if told else []:
        if "time" in event:
            event["time"] = instant(parse_time(event["time"]) + by, fraction=True)
    value = record.value if told is None else orjson.dumps(told)
    return record._replace(append_time=record.append_time + by, value=value)


class _Mood:
    """What a schedule is rich in: drawn once, since many rare failures want much of one thing and none of another."""

    def __init__(self, choose: random.Random) -> None:
        self.choose = choose
        self.weights = [1, *(choose.choice([0, 1, 1, 3]) for _ in _TROUBLES[1:])]
        self.trouble = choose.choice([0.03, 0.06, 0.12])
        self.early = choose.choice([0, 0, 80])
        """Steps of much trouble at the beginning, while everybody recovers for the first time."""
        self.leap = choose.choice([0, 0, 40 * DAY_MS])
        """What goes by in the end, so that ticks close everything."""
        self.published = choose.choice([0.06, 0.12, 0.25])
        self.chunk = choose.choice([1, 3, 6])
        self.looks = choose.choice([0.0, 0.1, 0.5])
        self.emits = choose.choice([0.1, 0.4, 0.8])
        self.commits = choose.choice([0.0, 0.2])
        self.zombies = choose.choice([0.0, 0.5])
        """How often one that is awake goes before everybody else."""

    def manner(self) -> Manner:
        roll = self.choose.random
        again = 2 if roll() < 0.1 else 0
        return Manner(
            self.choose.randint(0, self.chunk) + again,
            again,
            roll() < self.emits,
            roll() < self.looks,
            roll() < self.commits,
        )

    def next_step(self, simulation: Simulation) -> tuple[Tenure, Waiting] | None:
        able = simulation.able()
        asleep = [pair for pair in able if pair[0] in simulation.zombies]
        if asleep and self.choose.random() < self.zombies:
            able = asleep
        return self.choose.choice(able) if able else None


async def drive(simulation: Simulation, load: list[StoredRecord], choose: random.Random) -> list[str]:
    """Publish and fold everything under troubles, then come to rest; what is wrong in the end."""
    mood = _Mood(choose)
    published, left = 0, choose.randint(50, 250)
    while simulation.steps < _MOST_STEPS and left:
        draw, trouble = choose.random(), 0.3 if simulation.steps < mood.early else mood.trouble
        if draw < trouble:
            await _trouble(simulation, choose, choose.choices(_TROUBLES, mood.weights)[0])
        elif draw < trouble + mood.published and published < len(load):
            await simulation.publish(load[published], marker=choose.random() < 0.1)
            published += 1
        else:
            simulation.manner = mood.manner()
            if (step := mood.next_step(simulation)) is not None:
                await simulation.step(*step)
            else:
                await asyncio.sleep(0)
        left -= published == len(load)
    for record in load[published:]:
        await simulation.publish(record, marker=choose.random() < 0.1)
    simulation.pass_time(mood.leap)
    return await simulation.finish(choose.choices(_FATES, k=20))


async def _trouble(simulation: Simulation, choose: random.Random, kind: str) -> None:
    if kind == "time":
        simulation.pass_time(choose.choice([HOUR_MS, 30 * HOUR_MS]))
    elif kind == "compact":
        simulation.compact()
    elif kind == "announce":
        simulation.eager = choose.random() < 0.5
        simulation.announce(choose.randrange(PARTITIONS))
    elif kind == "harm":
        simulation.do_harm(choose.choice(HARMS), choose.randrange(PARTITIONS), choose)
    elif kind == "follow":
        simulation.follow(choose.choice(KINDS), choose.randrange(PARTITIONS), choose.choice([3, 30, 1000]))
    elif kind == "rebalance":
        await simulation.rebalance(choose.choice(KINDS))
    elif kind == "arrive":
        if simulation.late:
            await simulation.arrive(choose.choice(simulation.late))
    elif kind == "unanswered":
        sent = [(tenure, waiting) for tenure, waiting in simulation.able() if waiting.log is not None]
        if sent:
            await simulation.unanswered(*choose.choice(sent), choose.choice(_FATES))
    elif kind in {"crash", "pause"}:
        if simulation.current:
            tenure = choose.choice([*simulation.current.values()])
            if kind == "pause":
                simulation.pause(tenure)
            else:
                await simulation.crash(tenure, choose.choices(_FATES, k=4))
    elif simulation.zombies:
        zombie = choose.choice(simulation.zombies)
        if kind == "expire":
            await simulation.expire(zombie)
        else:
            zombie.awake = kind == "wake"


def made(seed: int, store: Callable[[int], Any] = lambda _partition: None) -> tuple[Simulation, list[str]]:
    """The schedule of ``seed``, run to its end over stores that ``store`` makes, and what is wrong then."""
    simulation = Simulation(SETTINGS, store)
    try:
        told = asyncio.run(drive(simulation, drawn_load(seed), random.Random(f"schedule {seed}")))
    except (NoRestError, StateError) as error:
        told = [f"no rest, or a state that cannot be: {error}"]
    return simulation, told


def run(seed: int) -> list[str]:
    """What is wrong at the end of the schedule of ``seed``."""
    return made(seed)[1]
