"""The fold digest in force: where it is read, the control records that change it, and refusals of others (1.7)."""

from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaError

from agents.core.accept.controlling import Backlog
from agents.core.accept.state import RawEntry
from agents.core.shared.control import FOLD_HEADER, ControlKeys, ControlReader, InForce
from agents.core.shared.joins import ENTRY_KEY
from pipeline.broker.begun import readable_state
from pipeline.broker.chunks import last_chunk
from pipeline.broker.topics import failed
from pipeline.errors import StartupError
from pipeline.kafka.clients import producer, started
from pipeline.kafka.reader import LogReader
from pipeline.kafka.recovery import last_entry
from pipeline.preflight import Keys
from pipeline.settings.settings import Settings
from schemas.deciding import deciding_part, key_parts
from schemas.topics import topic_name

__all__ = [
    "Announced",
    "announce",
    "append_bare",
    "in_force_at_ends",
    "other_facts",
    "refused_digest",
]

_ROUNDS: Final = 2


class Announced(NamedTuple):
    """What ``topics fold`` did: the digest in force before, None where there is none, and partitions appended to."""

    before: str | None
    partitions: list[int]


async def announce(settings: Settings, keys: Keys) -> Announced:
    """Append the control record of these settings to each raw partition whose log's end is under another digest.

    Refuses another pseudonym key, and a control key whose predecessor is not given.
    """
    digest, where = settings.digest(), settings.connection()
    appended: list[int] = []
    before: str | None = None
    try:
        async with LogReader(where) as reader:
            for _ in range(_ROUNDS):  # the last one finds nothing left to do
                ends = await in_force_at_ends(reader, settings, keys.control)
                if all(end is None for end in ends):
                    return Announced(None, [])
                changed = _changed(ends, digest)
                for number in changed:
                    _require_keys(number, ends, keys, digest)
                if not changed:
                    return Announced(before or digest, appended)
                before = before or _describe(ends, changed[0])
                await _append(settings, keys.control, digest, ends, changed)
                appended += changed
    except (KafkaError, TimeoutError) as error:
        raise failed("read and write the raw topic", error) from None
    raise StartupError("somebody else announces another digest at the same time", "agree on one, and run this again")


def _changed(ends: list[InForce | None], digest: str) -> list[int]:
    """The partitions whose end is not under ``digest``; one that nobody has folded is under that of the others."""
    known = {end.digest for end in ends if end is not None}
    return [number for number, end in enumerate(ends) if (known != {digest} if end is None else end.digest != digest)]


def _describe(ends: list[InForce | None], number: int) -> str:
    end = ends[number] or next(end for end in ends if end is not None)
    return end.digest


def _first(ends: list[InForce | None]) -> str:
    """The digest under which a partition counts that nobody has folded and no control record names."""
    return next(end.digests[0] for end in ends if end is not None)


def _require_keys(number: int, ends: list[InForce | None], keys: Keys, digest: str) -> None:
    end = ends[number]
    under = _first(ends) if end is None else end.digest
    mine = key_parts(digest)[0]
    if key_parts(under)[0] != mine or not keys.control.knows(under):
        raise refused_digest(number, under, digest, keys, passed=False)


async def _append(
    settings: Settings, control: ControlKeys, digest: str, ends: list[InForce | None], changed: list[int]
) -> None:
    topic = topic_name(settings.topic_prefix, "raw")
    where = settings.connection()
    async with started(producer(where), where) as writer:
        for number in changed:
            end = ends[number] or InForce(0, -1, (_first(ends),))
            text = control.fold(topic, number, digest, end.number + 1, end.digest)
            await append_bare(writer, topic, number, FOLD_HEADER, text)


async def append_bare(writer: Any, topic: str, partition: int, header: str, value: bytes) -> None:
    """Append a record without key and value whose only header is ``header``, and wait until it is acknowledged.

    A batch of its own, since the producer's ``send`` will not take a record without key and value.
    """
    batch = writer.create_batch()
    batch.append(key=None, value=None, timestamp=None, headers=[(header, value)])
    batch.close()
    await (await writer.send_batch(batch, topic, partition=partition))


async def in_force_at_ends(reader: LogReader, settings: Settings, control: ControlKeys) -> list[InForce | None]:
    """What is in force at the end of each raw partition, None where nobody has folded it and no record says.

    The last clean chunk tells it up to its range, else the state of ``anonymize``; behind that raw is read.
    """
    known = [await _last_known(reader, settings, number) for number in range(settings.partitions)]
    first = next((in_force.digests[0] for _, in_force in known if in_force is not None), None)
    ends: list[InForce | None] = []
    for number, (fence, in_force) in enumerate(known):
        begun = in_force or (None if first is None else InForce(0, -1, (first,)))
        if begun is None:
            ends.append(None)
            continue
        end = await _read_on(reader, settings, number, fence, begun, control)
        ends.append(None if in_force is None and end.number == 0 else end)
    return ends


async def _last_known(reader: LogReader, settings: Settings, number: int) -> tuple[int, InForce | None]:
    """The last raw offset of which it is told what is in force behind it, and that."""
    clean, state = (topic_name(settings.topic_prefix, short) for short in ("clean", "anonymize-state"))
    value = (await last_entry(reader, state, number)).get(ENTRY_KEY)
    with readable_state(state, number, settings.partitions):
        entry = None if value is None else RawEntry.read(value, settings.partitions)
    chunk = await last_chunk(reader, clean, number)
    if entry is None:
        return (-1, None) if chunk is None else (chunk.last, InForce(chunk.number, -1, (chunk.digest,)))
    if chunk is None or chunk.last <= entry.fence:
        return entry.fence, entry.in_force
    known = entry.in_force
    return chunk.last, known if chunk.number == known.number else known.after(chunk.digest, number=chunk.number)


async def _read_on(
    reader: LogReader, settings: Settings, number: int, fence: int, in_force: InForce, control: ControlKeys
) -> InForce:
    raw = topic_name(settings.topic_prefix, "raw")
    first, end = await reader.bounds(raw, number)
    backlog = Backlog(ControlReader(control, raw, number), in_force, "")
    async for records in reader.records(raw, number, max(first, fence + 1), end):
        backlog.scan(records)
    return backlog.in_force


async def other_facts(reader: LogReader, settings: Settings, facts: str) -> StartupError | None:
    """The refusal where the last chunk of a clean partition is under other facts than those both workers know."""
    clean = topic_name(settings.topic_prefix, "clean")
    for number in range(settings.partitions):
        chunk = await last_chunk(reader, clean, number)
        if chunk is not None and deciding_part(chunk.digest) != facts:
            return StartupError(
                f"clean partition {number} is under the fold digest {deciding_part(chunk.digest)}, not {facts}",
                "use the release and the settings that worker aggregate has",
            )
    return None


def refused_digest(number: int, under: str, own: str, keys: Keys, *, passed: bool) -> StartupError:
    """The refusal of a worker or an announcement where a partition is under another digest that it cannot follow.

    ``passed``: the own digest was in force there before.
    """
    pseudonym, control = key_parts(under)
    if pseudonym != key_parts(own)[0]:
        return StartupError(
            f"the pseudonym key is not the one in force in partition {number}, and a new one cannot be announced",
            "set FOOTFALL_PSEUDONYM_KEY to the key that worker anonymize has had",
        )
    if control != keys.control.mark and not keys.control.knows(under):
        return StartupError(
            f"the control key is not the one in force in partition {number}",
            "set FOOTFALL_CONTROL_KEY to that; to change it set FOOTFALL_CONTROL_KEY_PREVIOUS to that and run footfall"
            " topics fold",
        )
    gone = ", which was in force before" if passed else ""
    return StartupError(
        f"the fold digest in force in partition {number} is {under}, not {own} of this worker{gone}",
        "start it with the release and the settings in force, or announce these by footfall topics fold",
    )
