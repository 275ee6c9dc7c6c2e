"""What the state of many people costs, kept in memory or in the store on disk: ``python -m bench.stores --help``.

Each hop alone, in a process of its own: it folds an event of every person and source, folds one more of each on the
next day, in another order, and recovers from the changelog that it wrote meanwhile. Memory is the process's highest.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.core.anonymizing import AnonymizeFold
from agents.core.counting import AggregateFold
from agents.core.joins import JoinedLog
from agents.core.pseudonyms import Pseudonyms
from agents.core.records import RawRecord, StateWrite
from agents.core.store import Store
from schemas.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.columns import column
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.times import instant

__all__ = ["measure"]

_CHUNK = 4000
_NOON = 1793534400000
_COMPANIES = 20
_SHAPES = [Shape("chat.created", ()), Shape("app.started", ("web", "1.0", "prod"))]
_STARTED = 10
"""One event in so many starts an app, and so counts its source."""


class _Changelog:
    """The writes of a run, in a file, so that they cost no memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def add(self, writes: Iterable[StateWrite]) -> None:
        rows = msgspec.msgpack.encode([(write.key, write.value) for write in writes])
        self._file.write(len(rows).to_bytes(4, "big") + rows)

    def read(self) -> Iterator[tuple[bytes, bytes | None]]:
        self._file.close()
        decode_rows = msgspec.msgpack.Decoder(list[tuple[bytes, bytes | None]]).decode
        with self._path.open("rb") as file:
            while size := file.read(4):
                yield from decode_rows(file.read(int.from_bytes(size, "big")))


def _orders(people: int) -> Iterator[tuple[int, int, Sequence[int]]]:
    """(Day, offset of the first, numbers of people) of each chunk."""
    for day in range(2):
        order = list(range(people))
        if day:
            random.Random(day).shuffle(order)
        for begin in range(0, people, _CHUNK):
            yield day, day * people + begin, order[begin : begin + _CHUNK]


def _first(fold: AnonymizeFold, day: int, offset: int, numbers: Sequence[int]) -> list[StateWrite]:
    stamp = instant(_NOON + day * DAY_MS)
    records = []
    for at, number in enumerate(numbers):
        told: dict[str, Any] = {"specversion": "1.0", "id": f"{offset + at}", "source": f"s{number}", "time": stamp}
        told |= {"type": "chat.created", "company": "acme", "sequence": day, "data": {"user": f"u{number}"}}
        records.append(RawRecord(offset + at, _NOON + day * DAY_MS, b"acme", json.dumps(told).encode()))
    return fold.fold(records).writes


def _second(fold: AggregateFold, day: int, offset: int, numbers: Sequence[int]) -> list[StateWrite]:
    count, now = len(numbers), _NOON + day * DAY_MS
    chunk = CleanChunk(
        CLEAN_VERSION,
        offset,
        offset + count - 1,
        now,
        now,
        "none",
        0,
        [f"company-{number}" for number in range(_COMPANIES)],
        _SHAPES,
        [number.to_bytes(16, "big") for number in numbers],
        [number.to_bytes(16, "little") for number in numbers],
        *map(
            column,
            (
                range(offset, offset + count),
                [now] * count,
                [now] * count,
                [number % _COMPANIES for number in numbers],
                [int(number % _STARTED == 0) for number in numbers],
                range(count),
                range(count),
            ),
        ),
    )
    return [write for part in fold.fold([(offset, chunk)]) for write in part.writes]


def _run(hop: str, kind: str, people: int, folder: Path) -> dict[str, float]:
    opened: Callable[[int], Store | None] = lambda _partition: None  # noqa: E731
    if kind == "rocksdb":
        from pipeline.worker.stores import Stores  # noqa: PLC0415

        opened = Stores(folder, hop).open
    log = _Changelog(folder / "changelog")

    def made(joined: JoinedLog) -> Callable[[int, int, Sequence[int]], list[StateWrite]]:
        if hop == "first":
            secret = Pseudonyms(bytes(32))
            first = AnonymizeFold(Deciding(), secret, topic="raw", partition=0, partitions=1, digest="none")
            first.take_up(joined)
            return lambda *told: _first(first, *told)
        second = AggregateFold(Deciding(), 0)
        second.take_up(joined)
        return lambda *told: _second(second, *told)

    fold, seconds = made(JoinedLog(opened(0))), [0.0, 0.0]
    for day, offset, numbers in _orders(people):
        began = time.process_time()
        writes = fold(day, offset, numbers)
        seconds[day] += time.process_time() - began
        log.add(writes)
    found = {"new": seconds[0] / people * 1e6, "known": seconds[1] / people * 1e6, "folding": _peak()}
    del fold
    began = time.process_time()
    joined = JoinedLog(opened(1))
    for key, value in log.read():
        joined.apply(key, value)
    made(joined)
    return found | {"recovery": time.process_time() - began, "keys": len(joined), "recovering": _peak()}


def _peak() -> float:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(hop: str, kind: str, people: int) -> dict[str, float]:
    """Run in a process of its own; CPU seconds a million events, megabytes, and CPU seconds of recovery."""
    command = [sys.executable, "-m", "bench.stores", "--hop", hop, "--store", kind, "--people", str(people)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in json.loads(told).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hop", choices=["first", "second"], help="with --store: this one, as JSON")
    parser.add_argument("--store", choices=["memory", "rocksdb"])
    parser.add_argument("--people", type=int, default=2_000_000)
    given = parser.parse_args()
    if given.hop and given.store:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(json.dumps(_run(given.hop, given.store, given.people, Path(folder))))
        return
    for hop in ("first", "second"):
        for kind in ("memory", "rocksdb"):
            told = "  ".join(f"{name} {value:,.1f}" for name, value in measure(hop, kind, given.people).items())
            sys.stdout.write(f"{hop} hop  {kind:8}{told}\n")


if __name__ == "__main__":
    main()
