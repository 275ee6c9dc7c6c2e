"""What the clean chunks that are left say of the digests in force: looked at before raw is judged again."""

from typing import NamedTuple

from aiokafka.errors import KafkaError

from agents.core.shared.control import ControlKeys
from pipeline.broker.begun import known_chunk
from pipeline.broker.topics import failed
from pipeline.errors import StartupError
from pipeline.kafka.reader import LogReader
from pipeline.settings.settings import Settings
from schemas.deciding import deciding_part
from schemas.topics import topic_name
from schemas.wire.clean import CleanChunk

__all__ = ["InChunks", "chunk_at", "last_chunk", "look_at_chunks", "require_known"]


class InChunks(NamedTuple):
    """``begun`` maps a partition to the digest in force at the start of its raw log, where a chunk still tells it;
    ``digests`` maps each that the first and the last chunks bear to a partition.
    """

    begun: dict[int, str]
    digests: dict[str, int]


async def look_at_chunks(settings: Settings) -> InChunks:
    """Read the first and the last chunk of each partition; refuses what is none of this release."""
    clean, found = topic_name(settings.topic_prefix, "clean"), InChunks({}, {})
    try:
        async with LogReader(settings.connection()) as reader:
            for number in range(settings.partitions):
                first, end = await reader.bounds(clean, number)
                for at in sorted({first, end - 1}) if first < end else ():
                    chunk = await chunk_at(reader, clean, number, at)
                    if chunk is None:
                        continue
                    found.digests.setdefault(chunk.digest, number)
                    if chunk.first == chunk.number == 0:
                        found.begun[number] = chunk.digest
    except (KafkaError, TimeoutError) as error:
        raise failed("read the clean topic", error) from None
    return found


def require_known(settings: Settings, keys: ControlKeys, found: InChunks) -> None:
    """Refuses where these settings were in force nowhere, or where what was signed cannot be told genuine."""
    own = deciding_part(settings.digest())
    for digest, number in found.digests.items():
        if not keys.knows(digest):
            raise StartupError(
                f"the control key is not the one in force in partition {number}",
                "set FOOTFALL_CONTROL_KEY to the key that worker anonymize has, and FOOTFALL_CONTROL_KEY_PREVIOUS to"
                " the one before where it was changed",
            )
    if found.digests and own not in map(deciding_part, found.digests):
        digest, number = next(iter(found.digests.items()))
        raise StartupError(
            f"partition {number} is under the fold digest {deciding_part(digest)}, not {own} of these settings",
            "use the release and the settings that the workers have",
        )


async def chunk_at(reader: LogReader, clean: str, number: int, offset: int) -> CleanChunk | None:
    """The chunk at a clean offset, None where retention was faster; refuses what is none of this release."""
    async for records in reader.records(clean, number, offset, offset + 1):
        for record in records:
            return known_chunk(record.value, clean, number, record.offset)
    return None


async def last_chunk(reader: LogReader, clean: str, number: int) -> CleanChunk | None:
    """The last chunk of a clean partition; refuses what is none of this release."""
    first, end = await reader.bounds(clean, number)
    return None if first >= end else await chunk_at(reader, clean, number, end - 1)
