"""Both folds over logs in memory, cut into chunks as a test likes, with crashes between them."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable

from agents.core.accept.fold import AnonymizeFold
from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.shared.joins import JoinedLog
from agents.core.shared.records import RawRecord, StateWrite
from pipeline.kafka.reader import StoredRecord
from schemas.deciding import Deciding
from schemas.wire.clean import CleanChunk, decode_chunk, encode_chunk
from schemas.wire.rejections import Rejection
from tests.control_kit import DIGEST, KEYS, PSEUDONYMS, TOPIC
from tests.core.stores import Make

Cut = Callable[[int], int]


class World:
    """The logs of one deployment; ``anonymize`` and ``aggregate`` fold a partition to its end."""

    def __init__(
        self, deciding: Deciding, partitions: int, cut: Cut = lambda left: left, store: Make = lambda: None
    ) -> None:
        self.deciding = deciding
        self.partitions = partitions
        self.cut = cut
        self.store = store
        self.raw: dict[int, list[RawRecord]] = defaultdict(list)
        self.clean: dict[int, list[bytes]] = defaultdict(list)
        self.sink: list[tuple[bytes, bytes]] = []
        self.rejected: list[Rejection] = []
        self.corrections: list[StoredRecord] = []
        self.ledger: dict[bytes, set[bytes]] = defaultdict(set)
        self.state: dict[tuple[str, int], list[tuple[bytes, bytes | None]]] = defaultdict(list)

    def append(self, stored: Iterable[StoredRecord]) -> None:
        for item in stored:
            log = self.raw[item.partition]
            last = None if item.unreadable_to is None else len(log)
            log.append(RawRecord(len(log), item.append_time, item.key, item.value, item.headers, last))

    def _joined(self, name: str, partition: int) -> JoinedLog:
        joined = JoinedLog(self.store())
        for key, value in self.state[name, partition]:
            joined.apply(key, value)
        return joined

    def _store(self, name: str, partition: int, writes: Iterable[StateWrite]) -> None:
        self.state[name, partition] += [(write.key, write.value) for write in writes]

    def first_fold(self, partition: int) -> AnonymizeFold:
        fold = AnonymizeFold(
            self.deciding,
            PSEUDONYMS,
            topic=TOPIC,
            partition=partition,
            partitions=self.partitions,
            digest=DIGEST,
            control=KEYS,
            record_duplicates=True,
        )
        fold.restore_from(self._joined("first", partition))
        return fold

    def second_fold(self, partition: int) -> AggregateFold:
        fold = AggregateFold(self.deciding, partition)
        fold.restore_from(self._joined("second", partition))
        return fold

    def anonymize(
        self, partition: int, *, chunks: int = 10**9, recover_each: bool = False, lose_state: bool = False
    ) -> None:
        """Fold up to ``chunks`` chunks; with ``lose_state`` the last chunk's state is not written."""
        fold = self.first_fold(partition)
        while chunks and fold.entry.fence + 1 < len(self.raw[partition]):
            left = self.raw[partition][fold.entry.fence + 1 :]
            folded = fold.fold(left[: self.cut(len(left))])
            self.clean[partition].append(encode_chunk(folded.chunk))
            self.rejected += folded.rejections
            for key, value in folded.ledger:
                self.ledger[key].add(value)
            assert not folded.unbalanced
            for move in folded.moves:
                log = self.raw[move.partition]
                log.append(RawRecord(len(log), folded.chunk.last, move.key, move.value, move.headers))
            chunks -= 1
            if chunks or not lose_state:
                self._store("first", partition, folded.writes)
            if recover_each:
                fold = self.first_fold(partition)

    def aggregate(self, partition: int, *, recover_each: bool = False) -> None:
        fold = self.second_fold(partition)
        emission = Emission(fold)
        while fold.entry.clean_next < len(self.clean[partition]):
            at = fold.entry.clean_next
            many = self.cut(len(self.clean[partition]) - at)
            chunks: list[tuple[int, CleanChunk]] = [
                (at + more, decode_chunk(self.clean[partition][at + more])) for more in range(many)
            ]
            for part in fold.fold(chunks):
                for change in part.corrections:
                    key, value = change.record(partition)
                    self.corrections.append(StoredRecord(partition, len(self.corrections), 0, key, value, ()))
                self._store("second", partition, part.writes)
            if recover_each:
                fold = self.second_fold(partition)
                emission = Emission(fold)
            self._emit(partition, emission)
        self._emit(partition, emission)

    def _emit(self, partition: int, emission: Emission) -> None:
        emission.begin()
        while emission.under_way:
            self.sink += emission.draw(7)
        self._store("second", partition, [emission.finish(len(self.sink))])

    def figures(self) -> dict[str, dict[str, object]]:
        """The last record of every id."""
        return {key.decode(): json.loads(value) for key, value in self.sink}
