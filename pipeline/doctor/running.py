"""What ``doctor`` finds at work: workers' own word, how far their groups are behind, and whether they move on."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from aiokafka import TopicPartition

from pipeline.broker.acls import group_name
from pipeline.broker.admin import admin, coordinated
from pipeline.broker.rights import group_of
from pipeline.doctor.findings import Finding, Verdict
from pipeline.kafka.reader import LogReader
from pipeline.preflight import Kind
from pipeline.processes import answering, metric_total, page
from pipeline.settings.settings import Settings
from pipeline.stack import noted_workers, up_folder
from pipeline.worker.held import WholeEnds
from schemas.flow import STAGES
from schemas.topics import topic_name

__all__ = ["STILL_SECONDS", "group", "workers"]

STILL_SECONDS: Final = 10.0
"""For how long a partition with records left may stand where it is; a commit comes every second."""
_LOOK_SECONDS: Final = 1.0
_READY: Final = 200
_ANSWERS: Final = frozenset({_READY, 503})
"""What ``/readyz`` may answer."""


async def workers(settings: Settings) -> list[Finding]:
    """What each worker that is known says of itself: the named ones, else those of ``up``, else the usual place."""
    named = settings.workers.split(",") if settings.workers else []
    folders = [up_folder(settings), up_folder(settings, secure=True)]
    addresses = named or [each for folder in folders for each in noted_workers(folder, settings.brokers)]
    if not addresses:
        usual = answering(settings.metrics_host, settings.metrics_port)
        if (await asyncio.to_thread(page, usual, "/readyz"))[0] not in _ANSWERS:
            return [Finding("workers", Verdict.SKIPPED, f"none answers at {usual}", "name them by FOOTFALL_WORKERS")]
        addresses = [usual]
    return [await asyncio.to_thread(_worker, address) for address in addresses]


def _worker(address: str) -> Finding:
    check = f"worker at {address}"
    status, answer = page(address, "/readyz")
    if status not in _ANSWERS:
        what = f"answers {status}, so it is no worker" if status else "does not answer"
        return Finding(check, Verdict.WRONG, what, "start one there, or mend FOOTFALL_WORKERS")
    if status != _READY:
        why = "".join(filter(str.isprintable, answer))[:200]
        return Finding(check, Verdict.WRONG, f"not ready: {why}", "read its log, or wait for it")
    if metric_total(page(address, "/metrics")[1], "footfall_books_unbalanced_total"):
        mend = "hold the bills of that partition and hour, and look at them by footfall audit"
        return Finding(check, Verdict.WRONG, "its books do not balance", mend)
    return Finding(check, Verdict.FINE, "ready")


class _Place(NamedTuple):
    """Where a group stands in a partition.

    ``begun``: whether it ever committed; ``end`` of what may be read, ``written`` of what is, which lies behind an open
    transaction; ``left`` is how many offsets lie between position and end.
    """

    begun: bool
    position: int
    end: int
    written: int
    left: int


class _Group(NamedTuple):
    """A group after a while: where it is, in which partitions it stood still, and which an open transaction holds."""

    kind: Kind
    members: int
    now: Mapping[int, _Place]
    standing: Collection[int]
    held: Collection[int]

    @property
    def left(self) -> int:
        return sum(place.left for place in self.now.values())


async def group(settings: Settings, kind: Kind, reader: LogReader, still: float = STILL_SECONDS) -> Finding:
    """How far a kind of worker is behind, and whether it moves on: looked at for ``still`` seconds at most."""
    async with WholeEnds(settings.connection()) as written:
        return _judged(await _Watch(settings, kind, reader, written).over(still))


class _Watch:
    """Looks at a group again and again; ``written`` sees what is written, ``reader`` what may be read."""

    def __init__(self, settings: Settings, kind: Kind, reader: LogReader, written: WholeEnds) -> None:
        self._where = settings.connection()
        self._kind = kind
        self._name = group_name(settings.topic_prefix, kind)
        topic = topic_name(settings.topic_prefix, STAGES[kind].source)
        self._keys = [TopicPartition(topic, number) for number in range(settings.partitions)]
        self._reader = reader
        self._written = written

    async def over(self, still: float) -> _Group:
        """Until nothing stands still any more, for ``still`` seconds at most."""
        before = now = await self._look()
        standing = {key for key, place in before.items() if place.left}
        held = {key for key, place in before.items() if place.written > place.end}
        until = asyncio.get_running_loop().time() + still
        while (standing or held) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_LOOK_SECONDS)
            now = await self._look()
            standing = {key for key in standing if now[key].left and now[key].position == before[key].position}
            held = {key for key in held if now[key].written > now[key].end == before[key].end}
        bare = {key for key in standing if not await self._any_record(key, now[key])}
        members = (await group_of(self._where, self._name)).members
        found = {key.partition: place._replace(left=0) if key in bare else place for key, place in now.items()}
        return _Group(
            self._kind, members, found, {key.partition for key in standing - bare}, {key.partition for key in held}
        )

    async def _any_record(self, key: TopicPartition, place: _Place) -> bool:
        """Whether more is left than markers of transactions."""
        return await self._reader.any_record(key.topic, key.partition, place.position, place.end)

    async def _look(self) -> dict[TopicPartition, _Place]:
        async with admin(self._where) as client:
            committed = await coordinated(
                f"offsets of group {self._name}", lambda: client.list_consumer_group_offsets(self._name)
            )
        bounds = {key: await self._reader.bounds(key.topic, key.partition) for key in self._keys}
        written = {key: await self._written.end(key.topic, key.partition) for key in self._keys}
        places = {}
        for key, (first, end) in bounds.items():
            known = committed.get(key)
            begun = known is not None and known.offset >= 0
            position = max(first, known.offset if begun else 0)
            places[key] = _Place(begun, position, end, written[key], max(0, end - position))
        return places


def _judged(found: _Group) -> Finding:
    check, start = f"group {found.kind}", f"start worker {found.kind}"
    if found.held:
        number = min(found.held)
        place = found.now[number]
        return Finding(
            check,
            Verdict.WRONG,
            f"an open transaction holds partition {number} at offset {place.end:,}:"
            f" {place.written - place.end:,} offsets wait behind it",
            "end it at its producer; the broker does after that producer's transaction.timeout.ms",
        )
    if not found.members:
        if not found.standing:
            return Finding(check, Verdict.WARNING, "no worker is in it; nothing is left to do", start)
        never = not any(place.begun for place in found.now.values())
        verdict = Verdict.WARNING if never else Verdict.WRONG
        return Finding(check, verdict, f"no worker is in it, and {found.left:,} offsets are left to do", start)
    if found.standing:
        number = min(found.standing)
        place = found.now[number]
        return Finding(
            check,
            Verdict.WRONG,
            f"partition {number} stands still at offset {place.position:,}, {place.left:,} before the log's end",
            "look at /readyz and the log of the worker that owns it",
        )
    who = "1 worker" if found.members == 1 else f"{found.members} workers"
    return Finding(check, Verdict.FINE, f"{who}, {f'{found.left:,} offsets behind' if found.left else 'at the end'}")
