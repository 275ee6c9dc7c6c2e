"""Releases in the simulation: announced in one partition after the other, begun where their turn has come."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from agents.core.accept.state import RawEntry
from agents.core.count.state import Entry
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from pipeline.kafka.reader import StoredRecord
from pipeline.settings.settings import Settings
from schemas.deciding import deciding_part
from schemas.topics import topic_name
from schemas.wire.clean import decode_chunk
from tests.control_kit import Scribe, digest_of
from tests.core.random_log import ANNOUNCED, DECIDING
from tests.protocol.memory import Log, of_partition

__all__ = ["DIGEST", "RELEASES", "Releases"]

DIGEST = digest_of(DECIDING)
RELEASES = (DIGEST, *(f"{number:016x}-{DIGEST.partition('-')[2]}" for number in range(1, 4)))
"""Fold digests in the order in which they are announced; all decide alike, and none folds another's stretch."""
_LAST_CHUNKS = 5


@dataclass
class Releases:
    """Which are announced where; ``log`` gives the log of a topic, by its short name, and a partition."""

    settings: Settings
    log: Callable[[str, int], Log]
    announced: Counter[int] = field(default_factory=Counter)
    """How many of the releases are announced in each partition."""
    _scribes: dict[int, Scribe] = field(default_factory=dict)
    _read: Counter[int] = field(default_factory=Counter)
    """Records of each raw partition that its scribe has read."""

    def announce_next(self, partition: int) -> StoredRecord | None:
        """The control record of the next release there, where there is one."""
        if self.announced[partition] + 1 >= len(RELEASES):
            return None
        self.announced[partition] += 1
        header = ("footfall-fold", RELEASES[self.announced[partition]].encode())
        return self.signed(StoredRecord(partition, 0, 0, None, None, (header,)))

    def is_behind(self, partition: int) -> bool:
        """Whether another partition has releases that are not announced there."""
        return self.announced[partition] < max(self.announced.values(), default=0)

    def signed(self, record: StoredRecord) -> StoredRecord:
        """What the load left to be signed, as the log up to now asks for it."""
        if record.value is not None or not record.headers:
            return record
        settings, number = self.settings, record.partition
        present = RELEASES[self.announced[number]].encode()  # what the load announces is in force already
        headers = tuple((name, present if text == ANNOUNCED.encode() else text) for name, text in record.headers)
        topic = topic_name(settings.topic_prefix, "raw")
        scribe = self._scribes.setdefault(number, Scribe(settings.deciding(), settings.partitions, number, topic))
        records = self.log("raw", number).records
        for stored in records[self._read[number] :]:
            scribe.read(of_partition(number, stored))
        self._read[number] = len(records)
        return scribe.signed(record._replace(headers=headers))

    def to_begin(self, kind: str, partition: int, *, eager: bool) -> int:
        """The number of the release to be begun: that which is in force where the state stands, or the next.

        ``eager``: as soon as its record lies ahead.
        """
        joined = JoinedLog()
        for record in self.log(f"{kind}-state", partition).records:
            if record.key == ENTRY_KEY and record.value is not None:
                joined.apply(ENTRY_KEY, record.value)
        entry, under, chunks = joined.get(ENTRY_KEY), "", self.log("clean", partition).records
        if entry is not None:
            read = RawEntry.read if kind == "anonymize" else Entry.read
            under = read(entry, self.settings.partitions).in_force.digest
        if kind == "aggregate" and not under and chunks:
            under = decode_chunk(chunks[0].value or b"").digest
        known = [deciding_part(digest) for digest in RELEASES]
        at, ahead = known.index(deciding_part(under)) if under else 0, self.announced[partition]
        if kind == "aggregate":  # there it is told by chunks
            told = (deciding_part(decode_chunk(each.value or b"").digest) for each in chunks[-_LAST_CHUNKS:])
            ahead = max(map(known.index, told), default=at)
        return max(at, min(at + eager, ahead))
