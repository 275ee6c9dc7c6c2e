"""Stores alike, folds over a store the same as without one, what has expired gone from it, memory bounded."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.accept import fold as accept_fold
from agents.core.accept.fold import AnonymizeFold
from agents.core.count import expiry
from agents.core.count.fold import AggregateFold
from agents.core.shared.joins import ENTRY_KEY, JoinedLog
from agents.core.shared.records import RawRecord, StateWrite
from agents.core.shared.store import MemoryStore, Store, all_but, walk
from pipeline.worker.stores import Stores
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.times import instant
from schemas.wire.clean import CleanChunk
from tests.core.random_log import DECIDING, PARTITIONS, random_log
from tests.core.stores import STORES, in_memory, stores
from tests.core.world import PSEUDONYMS, World

NOW = 1793527200000
KEYS = st.binary(min_size=1, max_size=3) | st.sampled_from([b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\0"])
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=4), KEYS | st.just(b""), st.none() | KEYS)
def test_stores_are_alike(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Any], prefix: bytes, after: bytes | None
) -> None:
    disk = Stores(tmp_path_factory.mktemp("stores"), "test").open(0)
    try:
        wanted: dict[bytes, bytes] = {}
        memory = MemoryStore()
        for number, batch in enumerate(batches):
            wanted = {key: value for key, value in {**wanted, **dict(batch)}.items() if value is not None}
            for store in (memory, disk):
                _change(store, batch, at_once=number % 2 == 0)
        scanned = [pair for pair in sorted(wanted.items()) if pair[0].startswith(prefix)]
        for store in (memory, disk):
            assert dict(store.items()) == wanted
            assert [*store.scan(prefix)] == [*walk(store, prefix)] == scanned
            assert [*store.scan(prefix, after)] == [pair for pair in scanned if after is None or pair[0] > after]
            assert [*all_but(store, [b"a"])] == [pair for pair in sorted(wanted.items()) if pair[0][:1] != b"a"]
            assert all(store.get(key) == wanted.get(key) for batch in batches for key, _ in batch)
    finally:
        disk.close()


def _change(store: Store, batch: list[tuple[bytes, bytes | None]], *, at_once: bool) -> None:
    if at_once:
        store.write(batch)
        return
    for key, value in batch:
        if value is None:
            store.delete(key)
        else:
            store.put(key, value)


def test_a_walk_goes_on_where_it_was_though_keys_come_and_go() -> None:
    store = MemoryStore()
    store.write((f"k{number:05}".encode(), b"") for number in range(2500))
    seen = []
    for key, _ in walk(store, b"k"):
        seen.append(key)
        if len(seen) == 500:
            store.write((f"k{number:05}".encode(), None) for number in range(2000, 2400))
    assert len(seen) == 2100


class Pair:
    """A partition's two folds over stores of one kind, fed the same chunks."""

    def __init__(self, deciding: Deciding, store: Callable[[], Store | None], partitions: int = 1) -> None:
        self.deciding, self.partitions, self.store = deciding, partitions, store
        self.first_log, self.second_log = JoinedLog(store()), JoinedLog(store())
        self.clean = 0
        self.recover(self.first_log, self.second_log)

    def recover(self, first: JoinedLog, second: JoinedLog, partition: int = 0) -> None:
        self.first_log, self.second_log = first, second
        self.first = AnonymizeFold(
            self.deciding, PSEUDONYMS, topic="r", partition=partition, partitions=self.partitions, digest="d"
        )
        self.second = AggregateFold(self.deciding, partition)
        self.first.restore_from(first)
        self.second.restore_from(second)

    def fold(self, records: list[RawRecord]) -> int:
        """One chunk; how many records it took. What it came to is in ``chunk`` and ``batches``."""
        folded = self.first.fold(records)
        (part,) = self.second.fold([(self.clean, folded.chunk)])
        self.chunk: CleanChunk = folded.chunk
        self.corrections = part.corrections
        self.batches: tuple[list[StateWrite], list[StateWrite]] = (folded.writes, part.writes)
        self.clean += 1
        entry = self.second.entry
        entry.emitted_fence, entry.emitted_closing_watermark = entry.fence, entry.closing_watermark
        entry.emitted_event_watermark = entry.event_watermark
        return folded.count


@pytest.mark.parametrize("seed", range(12))
def test_every_chunk_and_every_value_written_is_the_same_over_a_store(seed: int, tmp_path: Path) -> None:
    for partition in range(PARTITIONS):
        found = []
        for kind in STORES[:2]:
            choose = random.Random(seed)
            with stores(kind, tmp_path, hot=seed % 3) as store:
                pair = Pair(DECIDING, store, PARTITIONS)
                pair.recover(pair.first_log, pair.second_log, partition)
                records = [
                    RawRecord(each.offset, each.append_time, each.key, each.value, each.headers)
                    for each in random_log(3000 + seed, 400)
                    if each.partition == partition
                ]
                told = []
                while records:
                    count = choose.randint(1, 30)
                    records = records[pair.fold(records[:count]) :]
                    folds = zip((pair.first, pair.second), pair.batches, strict=True)
                    told.append((pair.chunk, pair.corrections, [_alive(fold, batch) for fold, batch in folds]))
                found.append(told)
        assert found[0] == found[1]


def _alive(fold: AnonymizeFold | AggregateFold, batch: list[StateWrite]) -> dict[bytes, bytes]:
    """Without what is dead already: whether that is written depends on when a sweep came by."""
    written = [(write.key, write.value) for write in batch if write.value is not None]
    return {key: value for key, value in written if not fold.is_dead(key, value)}


def event(number: int, time: int, **more: Any) -> RawRecord:
    told = {"specversion": "1.0", "id": f"{number:x}", "source": "s", "type": "app.started", "company": "a"}
    told |= {"time": instant(time), "data": {"user": f"u{number}", "application": "x", "version": "1"}}
    told["data"]["environment"] = "e"
    return RawRecord(number, time, b"a", json.dumps(told | more).encode())


def crowd(first: int, count: int, time: int, step: int = 1) -> list[RawRecord]:
    """As many users and sources; every second source has sequences, every fourth of those with gaps."""
    return [
        event(
            number,
            time,
            source=f"s{number // step}",
            **({"sequence": number % step * (7 if number % 4 else 1)} if number // step % 2 else {}),
        )
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize("recovers", ["never", "before it expires", "with some of it deleted"])
@pytest.mark.parametrize("kind", STORES)
def test_what_has_expired_leaves_state_and_store(
    kind: str, recovers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (accept_fold, expiry):
        monkeypatch.setattr(module, "_MOST_TOMBSTONES", 200)
    with stores(kind, tmp_path, hot=10) as store:
        pair = Pair(Deciding(), store)
        logs: list[list[tuple[bytes, bytes | None]]] = [[], []]

        def fold(records: list[RawRecord]) -> None:
            assert pair.fold(records) == len(records)
            for log, batch in zip(logs, pair.batches, strict=True):
                log += [(write.key, write.value) for write in batch]

        fold(crowd(0, 600, NOW, 40))
        fold(crowd(600, 150, NOW + DAY_MS))
        fold([event(750, NOW + 2 * DAY_MS, source="s1", sequence=5)])
        for number in range(751, 771):
            if recovers == {751: "before it expires", 753: "with some of it deleted"}.get(number):
                joined = [JoinedLog(store()), JoinedLog(store())]
                for one, log in zip(joined, logs, strict=True):
                    for key, value in log:
                        one.apply(key, value)
                pair.recover(*joined)
            fold([event(number, NOW + (200 + number) * DAY_MS, source="alone")])
        live = [{key for key, value in dict(log).items() if value is not None} for log in logs]
        assert {key[:1] for key in live[0]} == {b"e", b"s", b"i", b"p", b"h", b"b"}
        assert len(live[0]) < 60
        assert len([key for key in live[1] if key[:1] == b"a"]) < 70
        assert len([key for key in live[1] if key[:1] == b"m"]) < 90
        assert pair.second.activity.count < 70
        for log, left in ((pair.first_log, live[0]), (pair.second_log, live[1])):
            if log.store is not None:
                kinds = (b"s", b"q", b"i", b"c", b"a", b"m")
                assert {key for key, _ in log.store.items() if key[:1] in kinds} == {
                    key for key in left if key[:1] in kinds
                }


@pytest.mark.parametrize("kind", STORES)
def test_who_comes_back_while_waiting_to_be_deleted_stays(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (accept_fold, expiry):
        monkeypatch.setattr(module, "_MOST_TOMBSTONES", 40)
    with stores(kind, tmp_path, hot=10) as store:
        pair, last = Pair(Deciding(), store), dict[bytes, bytes | None]()

        def fold(records: list[RawRecord]) -> None:
            assert pair.fold(records) == len(records)
            for batch in pair.batches:
                last.update((write.key, write.value) for write in batch if write.key != ENTRY_KEY)

        later = NOW + 200 * DAY_MS
        fold(crowd(0, 300, NOW))
        fold([event(300, later)])  # whoever is swept away now waits to be deleted
        back = [RawRecord(each.offset + 301, *each_rest(each)) for each in crowd(0, 300, later)]
        fold(back)
        for number in range(601, 640):
            fold([event(number, later, source="alone")])
        assert len([key for key, value in last.items() if key[:1] == b"a" and value is not None]) == 300 + 1 + 39
        assert len([key for key, value in last.items() if key[:1] == b"s" and value is not None]) == 300 + 1 + 1
        assert pair.second.activity.count == 300 + 1 + 39
        fold([RawRecord(each.offset + 640, *each_rest(each)) for each in crowd(0, 300, later)])
        assert not pair.chunk.offsets


def each_rest(record: RawRecord) -> tuple[Any, ...]:
    return record.append_time, record.key, record.value, record.headers


def test_of_a_store_only_what_was_lately_used_is_in_memory(tmp_path: Path) -> None:
    with stores("memory", tmp_path, hot=50) as store:
        pair = Pair(Deciding(), store)
        for at in range(20):
            pair.fold(crowd(at * 100, 100, NOW))
        sources, users = pair.first._state.sources, pair.second.activity
        assert users.count == 2000
        assert sum(map(len, users.users.values())) + sum(map(len, users._older.values())) <= 300
        assert len(in_memory(sources)) <= 300
        held = [*pair.second.members._figures.values(), *pair.second.members._older.values()]
        assert sum(map(len, held)) <= 4 * 300
        pair.fold(crowd(0, 50, NOW))  # all of them duplicates, known from the store alone
        assert users.count == 2000


def test_of_the_days_and_leaves_of_one_source_only_those_asked_for_are_in_memory(tmp_path: Path) -> None:
    with stores("memory", tmp_path, hot=20) as store:
        pair = Pair(Deciding(), store)
        for at in range(30):
            pair.fold([event(at * 300 + more, NOW + at * DAY_MS) for more in range(300)])
        first = pair.first.fold([event(9000 + more, NOW + 30 * DAY_MS, id=f"{more:x}") for more in range(1)])
        assert first.count == 1
        days = [day for source in in_memory(pair.first._state.sources).values() for day in source.days.values()]
        assert sum(leaf is not None for day in days for leaf in day._leaves) < 60
        for at in (10_000, 11_000, 12_000):  # others, until the source itself has left memory
            pair.first.fold(crowd(at, 100, NOW + 30 * DAY_MS))
        sources = pair.first._state.sources
        assert not any(key.endswith(PSEUDONYMS.source("a", "s")) for key in in_memory(sources))
        repeats = [event(19_001 + more, NOW + 10 * DAY_MS, id=f"{3000 + more:x}") for more in range(20)]
        assert not pair.first.fold(repeats).chunk.offsets


def test_state_without_an_entry_is_refused_over_a_store_too() -> None:
    joined = JoinedLog(MemoryStore())
    joined.apply(b"aacme|" + bytes(16), bytes(8) + b"\x92\x01\xc4\x01\x01")
    with pytest.raises(ValueError, match="without the partition's entry"):
        AggregateFold(Deciding(), 0).restore_from(joined)


def test_a_joined_log_keeps_its_marks_in_its_store() -> None:
    store = MemoryStore()
    joined = JoinedLog(store)
    joined.apply(b"k", bytes(7) + b"\2x")
    joined.apply(ENTRY_KEY, bytes(7) + b"\2\x91\1")
    joined.apply(b"k", bytes(7) + b"\1y")
    assert joined.stale
    assert len(joined) == 2
    assert [*joined.to_mend()] == [(b"k", bytes(7) + b"\2x")]
    assert len([*store.items()]) == 3
    joined.apply(b"k", bytes(7) + b"\2x")
    assert not joined.stale
    assert len([*store.items()]) == 2


def test_worlds_over_a_store_come_to_the_figures_of_those_without(tmp_path: Path) -> None:
    def figures(kind: str) -> dict[str, dict[str, object]]:
        with stores(kind, tmp_path) as store:
            world = World(DECIDING, PARTITIONS, lambda left: min(left, 25), store)
            world.append(random_log(77, 500))
            for partition in range(PARTITIONS):
                world.anonymize(partition)
                world.aggregate(partition)
            return world.figures()

    assert figures("none") == figures("memory") == figures("rocksdb")
