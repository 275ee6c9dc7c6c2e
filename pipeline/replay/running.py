"""The steps of ``footfall replay``: what is looked at first, folding, comparing, promoting, removing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka.errors import KafkaError

from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.state import Entry
from agents.core.replay.refold import Emitted, Refold
from pipeline.broker.digests import other_facts
from pipeline.broker.topics import make_sink, partitions_of, remove
from pipeline.errors import StartupError
from pipeline.kafka.appender import Appender, ProduceError, SoleLog
from pipeline.kafka.reader import LogReader, Progress
from pipeline.preflight import require_broker, require_control, require_topics
from pipeline.replay.comparing import Compared, compare_partition
from pipeline.replay.folding import Folding, Written, has_pseudonyms, replay_partition
from pipeline.replay.live import Verdict, entries, has_members
from pipeline.replay.promoting import Promotion
from pipeline.replay.request import NOTE_KEY, Request
from pipeline.replay.start import Peek, Stretch, peeking, require_reach
from pipeline.settings.settings import Settings
from schemas.deciding import fold_digest
from schemas.topics import topic_name

__all__ = ["Promoted", "Replayed", "promote", "remove_sink", "replay"]

_AGAIN_SECONDS: Final = 1.0


@dataclass(slots=True)
class Replayed:
    """What a replay came to."""

    request: Request
    written: list[Written] = field(default_factory=list)
    compared: Compared = field(default_factory=Compared)
    refolds: dict[int, Refold] = field(default_factory=dict)


@dataclass(slots=True)
class Promoted:
    """What a promotion came to; nothing was written where ``compared`` holds differences."""

    request: Request
    compared: Compared = field(default_factory=Compared)
    copied: int = 0


async def replay(settings: Settings, request: Request, name: str, wait: float, progress: Progress) -> Replayed:
    """Fold the period into the sink ``name``, made if it is not there, and compare it with the live one.

    Where the live sink is behind, it is waited for ``wait`` seconds. Refuses before anything is changed.
    """
    async with _answered(), _at_hand(settings, request) as folding:
        partitions = await partitions_of(settings, name)
        known = await _note(folding.reader, name) if partitions else None
        if known is not None and known[0] != request:
            raise StartupError(
                f"{name} was made by a replay with other arguments", "take another --into, or --remove that"
            )
        running = await has_members(settings)
        stretches = await _stretches(folding, None if known is None else known[1], running)
        folding.moved = _bar(stretches, progress)
        await require_reach(folding.peek, stretches, folding.entries, request.period.begin)
        if not partitions:
            await make_sink(settings, name)
        elif partitions != settings.partitions:
            raise StartupError(f"{name} is no sink of a replay", "take another --into")
        async with Appender(settings.connection(), lambda: True) as appender:
            if known is None:
                stretches = await _begin(folding, appender, name, stretches)
            found = Replayed(request)
            for stretch in stretches:
                found.written.append(await _fold(folding, appender, name, stretch))
        found.refolds = folding.refolds
        await _compare(folding, found, name, wait)
        return found


async def promote(settings: Settings, name: str, progress: Progress) -> Promoted:
    """Copy to the live sink what it lacks of the replay in ``name``; refuses while worker aggregate runs."""
    await require_broker(settings)
    async with _answered(), LogReader(settings.connection()) as reader:
        known = await _note(reader, name) if await partitions_of(settings, name) else None
    if known is None:
        raise StartupError(f"there is no replay in {name}", "run it first: footfall replay --from DAY --into SUFFIX")
    request, ends = known
    if request.digest != fold_digest(settings.deciding()).partition("-")[0]:
        raise StartupError(f"{name} was made by another release or under other settings", "replay again with these")
    if await has_members(settings):
        raise StartupError(
            "worker aggregate is running, and it alone may write to the sink while it does",
            f"stop every one and wait {settings.session_timeout.total_seconds():.0f} s, then promote again",
        )
    async with _answered(), _at_hand(settings, request) as folding:
        stretches = await _stretches(folding, ends, running=False)
        folding.moved = _bar(stretches, progress)
        await require_reach(folding.peek, stretches, folding.entries, request.period.begin)
        promotions, found = [Promotion(folding, stretch, name) for stretch in stretches], Promoted(request)
        for each in promotions:
            await each.judge()
            found.compared.merge(each.compared)
        if found.compared.verdicts[Verdict.DIFFERENT]:
            return found
        async with Appender(settings.connection(), lambda: True) as appender:
            for each in promotions:
                await each.write(appender)
                found.copied += each.lacking
        return found


async def remove_sink(settings: Settings, name: str) -> None:
    """Delete the sink of a replay; refuses a topic that is none."""
    await require_broker(settings)
    async with _answered(), LogReader(settings.connection()) as reader:
        if not await partitions_of(settings, name):
            raise StartupError(f"there is no topic {name}", "look at the name after --into")
        await _note(reader, name)
    await remove(settings, name)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Refuse where a broker no longer answers; whatever is under way can be done again."""
    try:
        yield
    except (KafkaError, ProduceError, TimeoutError) as error:
        raise StartupError(
            f"the broker did not answer ({type(error).__name__})", "look at the brokers; the same command goes on"
        ) from None


@asynccontextmanager
async def _at_hand(settings: Settings, request: Request) -> AsyncIterator[Folding]:
    brokers = await require_broker(settings)
    await require_topics(settings)
    keys = _keys(settings) if request.source == "raw" else None
    clean = topic_name(settings.topic_prefix, "clean")
    async with LogReader(brokers) as reader, peeking(brokers, clean) as peek:
        if (other := await other_facts(reader, settings, request.digest)) is not None:
            raise other
        if keys is not None:
            await _require_epoch(reader, peek, settings, keys)
        yield Folding(settings, request, reader, peek, await entries(reader, settings), keys, lambda _, __: None)


def _keys(settings: Settings) -> Pseudonyms:
    secret = settings.pseudonym_secret()
    if secret is None:
        raise StartupError(
            "--source raw needs the pseudonym key", "set FOOTFALL_PSEUDONYM_KEY_FILE as for worker anonymize"
        )
    require_control(settings, "replay --source raw")
    return Pseudonyms(secret)


async def _require_epoch(reader: LogReader, peek: Peek, settings: Settings, keys: Pseudonyms) -> None:
    for partition in range(settings.partitions):
        first, end = await reader.bounds(peek.topic, partition)
        if end > first and not has_pseudonyms(await peek.chunk(partition, end - 1), keys):
            raise StartupError("the pseudonym key is not the one of worker anonymize", "set the key that it has")


async def _note(reader: LogReader, name: str) -> tuple[Request, list[int]] | None:
    """The first note in a replay's sink, None in an empty one; refuses a topic that begins otherwise."""
    first, end = await reader.bounds(name, 0)
    async with aclosing(reader.records(name, 0, first, end)) as log:
        async for records in log:
            for record in records:
                try:
                    if record.key == NOTE_KEY:
                        return Request.read(bytes(record.value or b""))
                except (ValueError, KeyError, TypeError):
                    pass
                raise StartupError(f"{name} is no sink of a replay of this release", "take another --into")
    return None


async def _stretches(folding: Folding, ends: list[int] | None, running: bool) -> list[Stretch]:
    """Of each clean partition what there is to fold: to the noted ends, else to the present ones.

    Where worker aggregate is stopped, its position is the end, so that the live sink says what it says up to there.
    """
    found = []
    for partition in range(folding.settings.partitions):
        first, end = await folding.reader.bounds(folding.peek.topic, partition)
        entry = folding.entries.get(partition)
        if ends is not None:
            end = min(end, ends[partition])
        elif not running and entry is not None:
            end = min(end, entry.clean_next)
        found.append(Stretch(partition, first, max(first, end)))
    return found


def _bar(stretches: list[Stretch], progress: Progress) -> "_Moved":
    return _Moved(sum(stretch.end - stretch.first for stretch in stretches), progress)


class _Moved:
    """Clean offsets done, over all partitions."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._done: dict[int, int] = {}

    def __call__(self, partition: int, done: int) -> None:
        self._done[partition] = done
        self._progress(sum(self._done.values()), self._total)


async def _begin(folding: Folding, appender: Appender, name: str, stretches: list[Stretch]) -> list[Stretch]:
    """Write the note; of several, where two replays began at once, the first is in force."""
    await appender.append(name, 0, [(NOTE_KEY, folding.request.note([stretch.end for stretch in stretches]), ())])
    known = await _note(folding.reader, name)
    if known is None or known[0] != folding.request:
        raise StartupError(f"another replay began in {name}", "take another --into")
    return await _stretches(folding, known[1], running=False)


async def _fold(folding: Folding, appender: Appender, name: str, stretch: Stretch) -> Written:
    async def open_sink() -> SoleLog:
        end = await folding.reader.end(name, stretch.partition)
        return SoleLog(appender, name, stretch.partition, end)

    async def nothing(_: Emitted) -> None:
        await asyncio.sleep(0)

    return await replay_partition(folding, stretch, name, open_sink, nothing)


async def _compare(folding: Folding, found: Replayed, name: str, wait: float) -> None:
    """Compare every partition; a live sink that is behind is looked at again while it moves, for ``wait`` seconds."""
    settings, sinks = folding.settings, (topic_name(folding.settings.topic_prefix, "aggregates"), name)
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    left, compared = set(folding.refolds), dict[int, Compared]()
    while True:
        emitted = await entries(folding.reader, settings)
        for partition in sorted(left):
            refold, entry = folding.refolds[partition], emitted.get(partition, Entry())
            compared[partition] = await compare_partition(
                folding.reader, sinks, partition, refold, entry, settings.deciding()
            )
        left = {partition for partition in left if compared[partition].verdicts[Verdict.BEHIND]}
        if not left or loop.time() >= until or not await has_members(settings):
            break
        await asyncio.sleep(_AGAIN_SECONDS)
    for each in compared.values():
        found.compared.merge(each)
