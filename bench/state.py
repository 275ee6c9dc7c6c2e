"""``python -m bench.state``: what state costs in memory and in the changelog, and whether it stays as large as it was.

Memory is what Python's allocator has handed out (tracemalloc), after the chunk that brought the state is gone; the
changelog's bytes are those of the last value of every key, in zstd batches as a worker writes them.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson
import typer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from rich.table import Table

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.fold import AggregateFold
from agents.core.shared import windows
from agents.core.shared.joins import JoinedLog
from agents.core.shared.records import RawRecord, StateWrite
from bench.lifetime import Lifetime, StateLog, anonymizing
from pipeline.cli.show import bar, console
from schemas.deciding import Deciding
from schemas.times import instant
from schemas.wire.clean import CleanChunk, decode_chunk, encode_chunk

_NOW = 1_780_272_000_000
_CHUNK = 2000
_ZSTD = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of one ``what``, over ``count`` of them; ``joined`` is what a standby holds of it, in memory."""

    what: str
    count: int
    memory: float
    joined: float
    changelog: float


def main(
    count: int = typer.Option(100_000, min=1000, help="Users, sources, ids and figures that a cost is the mean of."),
    days: int = typer.Option(160, min=10, help="Of simulated life."),
    active: int = typer.Option(2000, min=24, help="People a day of it; a twentieth is new, and as many have left."),
) -> None:
    """Measure the bytes of users, sources, ids and windows, then let people come and go for months."""
    with bar("costs"):
        costs = [*_costs_of(count)]
    console.print(_costs(costs))
    console.print(_life(days, active))


# ---- costs


def _event(number: int, source: int, company: str, **more: object) -> dict[str, object]:
    data = {"user": f"user{number}", "role": "user"}
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": f"app-{source}",
        "type": "message.sent",
        "time": instant(_NOW, fraction=True),
        "company": company,
        "data": data,
    } | more


def _records(events: Iterable[dict[str, object]]) -> Iterator[RawRecord]:
    for offset, event in enumerate(events):
        yield RawRecord(offset, _NOW, str(event["company"]).encode(), orjson.dumps(event), ())


def _costs_of(count: int) -> Iterator[Cost]:
    numbered = [_event(number, number, "acme", sequence=0) for number in range(count)]
    yield _cost("source that numbers its events", count, _First(numbered), b"s")
    by_id = [_event(number, 0, "acme") for number in range(count)]
    yield _cost("id remembered", count, _First(by_id), b"i")
    yield _cost("active user", count, _Second(by_id), b"a")
    asked = {"type": "prompt.submitted"}
    values = [{"assistant": f"a{number % 100}", "module": "m"} for number in range(100)]
    figures = [
        _event(number, 0, f"company-{number // 100}", data=values[number % 100], **asked)
        for number in range(count // 3)
    ]
    yield _cost("figure, 100 to a window", 3 * len(figures), _Second(figures), b"f")
    windows = [_event(0, 0, f"company-{number}", type="chat.created", data={}) for number in range(count // 3)]
    yield _cost("open window with one figure", 3 * len(windows), _Second(windows), b"f")


class _First:
    """The first fold over events."""

    def __init__(self, events: list[dict[str, object]]) -> None:
        self._records = list(_records(events))

    def run(self, keep: Callable[[list[StateWrite]], None]) -> object:
        """Fold them; the fold without what is no state: its last chunk and its cached pseudonyms."""
        fold = anonymizing(Deciding())
        for chunk in self._folded(fold, keep):
            del chunk
        state = fold._state  # noqa: SLF001
        state.begin_chunk()
        state.pseudonyms = Pseudonyms(bytes(32))
        return fold

    def _folded(self, fold: AnonymizeFold, keep: Callable[[list[StateWrite]], None]) -> Iterator[CleanChunk]:
        at = 0
        while at < len(self._records):
            folded = fold.fold(self._records[at : at + _CHUNK])
            at += folded.count
            keep(folded.writes)
            yield folded.chunk

    def chunks(self) -> list[bytes]:
        """What the second fold reads."""
        return [encode_chunk(chunk) for chunk in self._folded(anonymizing(Deciding()), lambda _writes: None)]


class _Second:
    """The second fold over what the first makes of events."""

    def __init__(self, events: list[dict[str, object]]) -> None:
        self._chunks = _First(events).chunks()

    def run(self, keep: Callable[[list[StateWrite]], None]) -> object:
        """Fold them; everything as after an emission, without the cache of what was counted lately."""
        fold = AggregateFold(Deciding(), 0)
        for offset, chunk in enumerate(self._chunks):
            for part in fold.fold([(offset, decode_chunk(chunk))]):
                keep(part.writes)
        fold.figures.dirty.clear()
        fold.figures._counted.clear()  # noqa: SLF001
        return fold


def _cost(what: str, count: int, folding: _First | _Second, kind: bytes) -> Cost:
    log, joined = StateLog(), JoinedLog()
    folding.run(log.apply)
    memory = _traced(lambda: folding.run(lambda _writes: None))
    rows = [(key, value) for key, value in log.values.items() if key[:1] == kind]

    def join() -> JoinedLog:
        for key, value in rows:
            joined.apply(bytes(bytearray(key)), bytes(bytearray(value)))
        return joined

    return Cost(what, count, memory / count, _traced(join) / count, _in_batches(rows) / count)


def _traced(make: Callable[[], object]) -> int:
    """Bytes that what is made holds."""
    gc.collect()
    tracemalloc.start()
    made = make()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return size


def _in_batches(rows: list[tuple[bytes, bytes]]) -> int:
    total = 0
    for begin in range(0, len(rows), _CHUNK):
        builder = DefaultRecordBatchBuilder(2, _ZSTD, False, 1, 0, 0, 15 << 20)
        for number, (key, value) in enumerate(rows[begin : begin + _CHUNK]):
            builder.append(number, timestamp=_NOW, key=key, value=value, headers=[])
        total += len(builder.build())
    return total


def _costs(costs: Iterable[Cost]) -> Table:
    table = Table(title="bytes of state")
    for name in ("what", "number", "memory of the owner", "memory of a standby", "changelog"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for each in costs:
        sizes = [f"{size:,.0f}" for size in (each.memory, each.joined, each.changelog)]
        table.add_row(each.what, f"{each.count:,}", *sizes)
    return table


# ---- life


def _life(days: int, active: int) -> Table:
    table = Table(
        title=f"{active:,} people a day, {active // 20:,} of them new, as many left for good; lateness 35 days"
    )
    for name in ("day", "events so far", "users", "sources", "windows", "figures", "keys", "changelog kB", "memory kB"):
        table.add_column(name, justify="right")
    with bar("days") as report:
        gc.collect()
        tracemalloc.start()
        life = Lifetime(Deciding(), active=active, fresh=active // 20)
        for day in range(days):
            held = life.live(day)
            report(day + 1, days)
            if day % 10 == 9:
                _forget_caches(life)
                gc.collect()
                memory, _ = tracemalloc.get_traced_memory()
                figures = (held.users, held.sources, held.windows, held.figures, held.keys, held.size // 1000)
                shown = [f"{figure:,}" for figure in (*figures, memory // 1000)]
                table.add_row(str(day + 1), f"{held.events:,}", *shown)
        tracemalloc.stop()
    return table


def _forget_caches(life: Lifetime) -> None:
    """What is remembered to be fast and bounded by number is no state: pseudonyms, spans of windows, instants."""
    life.first._state.pseudonyms = Pseudonyms(bytes(32))  # noqa: SLF001
    for cached in vars(windows).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


if __name__ == "__main__":
    typer.run(main)
