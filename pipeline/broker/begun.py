"""What a deployment was begun with and cannot be changed: its number of partitions, and the first fold version.

The number of partitions says where each company is at home, so it is part of the state and of the digest. Kafka lets
anybody raise it and nobody lower it; what was folded before stays where it is, so the only way on is a new prefix.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from agents.core.accept.state import RawEntry
from agents.core.count.state import Entry
from agents.core.shared.joins import ENTRY_KEY, FormerStateError, OtherPartitionsError, StateError
from pipeline.errors import StartupError
from pipeline.kafka.reader import LogReader
from pipeline.kafka.recovery import last_entry
from pipeline.settings.settings import Settings
from pipeline.unknown import readable, refused_form
from schemas.flow import STAGES
from schemas.topics import topic_name
from schemas.wire.clean import CleanChunk, OtherVersionError, decode_chunk

__all__ = ["begun_before", "known_chunk", "pinned_partitions", "readable_state", "refused_partitions", "refused_state"]

_NEW_PREFIX = "take a new FOOTFALL_TOPIC_PREFIX, run footfall topics apply, and let producers and workers go on there"


def begun_before(topic: str) -> StartupError:
    """The refusal of what fold version 2 or an earlier one wrote."""
    return StartupError(
        f"{topic} was begun by a release that this one does not go on from (fold version 2)", _NEW_PREFIX
    )


def refused_state(error: StateError, topic: str, partition: int, partitions: int) -> StartupError:
    """The refusal of state that this release, or a deployment of ``partitions``, does not go on from."""
    if isinstance(error, FormerStateError):
        return begun_before(topic)
    if isinstance(error, OtherPartitionsError):
        return _moved(error.partitions, partitions)
    return refused_form(error, topic, partition)


@contextmanager
def readable_state(topic: str, partition: int, partitions: int) -> Iterator[None]:
    """Within it state is read: raises StartupError where this release, or a deployment of ``partitions``, cannot."""
    try:
        yield
    except StateError as error:
        raise refused_state(error, topic, partition, partitions) from None


def known_chunk(value: bytes | None, topic: str, partition: int, offset: int) -> CleanChunk:
    """The chunk in a record of clean; raises StartupError where it is none of this release."""
    with readable(topic, partition, offset):
        try:
            return decode_chunk(value or b"")
        except OtherVersionError as error:
            if error.version == 1:
                raise begun_before(topic) from None
            raise


def refused_partitions(there: Mapping[str, int], setting: int, pinned: int | None) -> StartupError | None:
    """What is wrong with the number of partitions, None where nothing is.

    ``there`` are the partitions of each topic that stands, ``pinned`` those that the state was begun with, None where
    there is no state.
    """
    numbers = set(there.values())
    if pinned is not None and numbers - {pinned}:
        name = min(name for name, number in there.items() if number != pinned)
        return _moved(pinned, there[name], name)
    if not numbers or numbers == {setting}:
        return None
    if len(numbers) == 1:
        (number,) = numbers
        return StartupError(
            f"the topics have {number} partitions, not {setting} as FOOTFALL_PARTITIONS says",
            f"set FOOTFALL_PARTITIONS={number} for every worker and command",
        )
    text = ", ".join(f"{name} {number}" for name, number in sorted(there.items())[:2])
    return StartupError(f"the topics have different numbers of partitions ({text})", _NEW_PREFIX)


def _moved(pinned: int, found: int, name: str = "a topic") -> StartupError:
    return StartupError(
        f"{name} has {found} partitions, yet figures were begun with {pinned}, which say where a company is at home",
        _NEW_PREFIX,
    )


async def pinned_partitions(settings: Settings, there: Mapping[str, int]) -> int | None:
    """The number that the state was begun with, None where there is none or where it may not be read.

    ``there`` are the partitions of each topic that stands.
    """
    topics = {short: topic_name(settings.topic_prefix, short) for short in (stage.state for stage in STAGES.values())}
    if not there.keys() & topics.values():
        return None
    async with LogReader(settings.connection()) as reader:
        for short, topic in topics.items():
            try:
                for partition in range(there.get(topic, 0)):
                    value = (await last_entry(reader, topic, partition)).get(ENTRY_KEY)
                    if value is not None:
                        return _pinned(short, value, topic, partition, settings.partitions)
            except KafkaError:  # a worker may not read the other's state, an analyst neither
                continue
    return None


def _pinned(short: str, value: bytes, topic: str, partition: int, partitions: int) -> int:
    read = RawEntry.read if short == "anonymize-state" else Entry.read
    with readable_state(topic, partition, partitions):
        try:
            return read(value, partitions).partitions
        except OtherPartitionsError as error:
            return error.partitions
