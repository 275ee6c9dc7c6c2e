"""Releases, and settings, one after another: side by side unasked, and announced."""

import asyncio
import contextlib
import random
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka.errors import KafkaError

from pipeline.errors import StartupError
from tests.faults.rig import Place, Rig
from tests.faults.troubles.choosing import begun, said

__all__ = [
    "PREVIOUS",
    "NoHistoryError",
    "previous_release",
    "releases_side_by_side",
    "unpack_release",
    "upgrade_announced",
]

_ROOT = Path(__file__).parents[3]
_CODE = ("agents", "pipeline", "schemas")
PREVIOUS = "b8c9bc50f0d61b2db4c4a50a7df1d87fa0468ccc"
"""A commit that is known to work, of the fold version of today; one in the middle of a change may not."""
_KINDS = ("anonymize", "aggregate")


class NoHistoryError(Exception):
    """This checkout has no history, so there is no previous release of the code."""


async def releases_side_by_side(rig: Rig, choose: random.Random) -> None:
    """FU1, FU2, FU3: workers of the previous release of the code join those of this one, and leave again."""
    folder = Path(tempfile.mkdtemp(prefix="footfall-release-"))
    try:
        previous_release(folder)
        variables = {"PYTHONPATH": str(folder)}
        kinds = choose.choice([("anonymize",), ("aggregate",), ("anonymize", "aggregate")])
        places = [rig.keep(kind, variables=variables) for kind in kinds]
        await begun(rig, places)
        await asyncio.sleep(choose.uniform(2, 6))
        for place in places:
            rig.proofs["previous release at work"] += said(place, '"event": "recovered"')
            rig.proofs["previous release refused"] += said(place, "fold digest in force")
            await rig.leave(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def previous_release(folder: Path) -> None:
    """Unpack the code of :data:`PREVIOUS`. Raises NoHistoryError."""
    unpack_release(PREVIOUS, folder)


def unpack_release(commit: str, folder: Path) -> None:
    """Unpack the code of ``commit``: with ``folder`` in PYTHONPATH it runs. Raises NoHistoryError without it."""
    try:
        packed = _git("archive", commit, *_CODE, "pyproject.toml")
    except (OSError, subprocess.CalledProcessError):
        raise NoHistoryError from None
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    # Faust finds its transport by the entry points of a distribution, which are else those of this release.
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    (folder / "pyproject.toml").unlink()
    about = folder / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = (
        (f"[{group}]", *(f"{name} = {place}" for name, place in named.items()))
        for group, named in project["entry-points"].items()
    )
    (about / "entry_points.txt").write_text("\n".join(line for lines in points for line in lines) + "\n")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, check=True).stdout


async def upgrade_announced(rig: Rig, choose: random.Random) -> None:
    """FO1: other settings are announced and gone over to while workers of both, old and new, are killed."""
    number = len(rig.bench.digests)
    changed, kinds = choose.choice(
        (({"LATENESS": f"P{20 - number % 10}D"}, _KINDS), ({"MAX_SOURCES": str(9000 + number)}, _KINDS[:1]))
    )
    old = [place for place in rig.places if place.kind in kinds]
    await _announced(rig, changed)
    new = [rig.keep(place.kind, settings=changed) for place in old]
    for _ in range(choose.randint(0, 3)):
        await asyncio.sleep(choose.uniform(0, 2))
        victim = choose.choice([*old, *new])
        if victim.worker is not None:
            victim.worker.process.kill()
    told: set[Place] = set()
    await rig.bench.until(lambda: _gone_over(rig, old, new, told))
    for place in old:
        await rig.leave(place)
    rig.proofs["announced upgrades"] += 1
    rig.bench.settle_on(changed)


async def _announced(rig: Rig, changed: Mapping[str, str]) -> None:
    """Once brokers answer and a digest is in force, which can be changed; fails at the deadline."""
    given = {name.lower(): value for name, value in changed.items()}

    async def announced() -> bool:
        with contextlib.suppress(KafkaError, OSError, StartupError):
            return (await rig.bench.announced(**given)).before is not None
        return False

    await rig.bench.until(announced)


async def _gone_over(rig: Rig, old: Sequence[Place], new: Sequence[Place], told: set[Place]) -> bool:
    """Whether each of the old ones has said that another digest is in force, and the new ones work.

    ``told`` are those that have: each is started again at another time, so that all never say it at once.
    """
    told.update(place for place in old if said(place, "of this worker"))
    at_work = await rig.at_work()
    return all(place in at_work for place in new) and len(told) == len(old)
