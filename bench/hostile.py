"""``python -m bench.hostile``: what the dearest bytes cost that may be written to raw, as multiples of plain ones.

Each shape is folded from record batches to the rows that a worker would write, in one process, beside plain events;
then shapes are put together at random, and the dearest changed step by step, for as long as is asked for.
"""

import gc
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from rich.table import Table

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord
from bench.compare import stamp
from bench.hostile_shapes import CATALOGUE, NOW, Row, Shape, drawn, neighbour, rows
from bench.workload import Workload, records
from pipeline.cli.show import bar, console
from pipeline.kafka.batch import Batch, Head
from pipeline.kafka.parts import parts
from pipeline.worker.raw_owner import fitting
from schemas.deciding import Deciding
from schemas.wire.clean import decode_chunk, encode_chunk

__all__ = ["BOUND", "Cost", "OrdinaryEvents", "batches", "cost"]

BOUND: Final = 60
"""Times the cost of a plain byte that any byte may cost, in both hops together."""
_LASTING: Final = Deciding(max_new_companies=1)
"""What a company costs that is new is bounded a day: what goes on is the cost of those that are refused."""
_PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance" / "hostile.md"
_IN_BATCH: Final = 2000
_SAMPLE: Final = 150_000
_LOOK: Final = 20_000
_PLAIN_EVENTS: Final = 20_000
_KEPT: Final = 40
_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of the first and the second hop, for ``size`` bytes of records with their frames, uncompressed."""

    first: float
    second: float
    size: int
    records: int


def batches(made: Iterable[Row]) -> tuple[list[Batch], int]:
    """Record batches as a broker hands them over, not compressed; and their bytes."""
    found: list[Batch] = []
    size = offset = 0
    rest = [*made]
    while rest:
        some, rest = rest[:_IN_BATCH], rest[_IN_BATCH:]
        builder = DefaultRecordBatchBuilder(2, 0, False, -1, 0, 0, 1 << 30)
        for place, (key, value, headers) in enumerate(some):
            builder.append(place, NOW, key, value, headers)
        data = memoryview(bytes(builder.build()))
        head = Head.of(data)
        block = Batch.of(head, head.check_sum(data), 0, offset + len(some), 0)
        found.append(block._replace(stored=block.stored._replace(base=offset, last=offset + len(some) - 1)))
        size += len(data)
        offset += len(some)
    return found, size


def cost(given: Sequence[Batch], size: int, deciding: Deciding) -> Cost:
    """What folding the batches takes, from their bytes to rows, in a state that knows nothing yet."""
    pseudonyms = Pseudonyms(bytes(32))
    first = AnonymizeFold(deciding, pseudonyms, topic="raw", partition=0, partitions=1, digest="d")
    second, chunks, count = AggregateFold(deciding, 0), list[bytes](), 0
    gc.collect()
    began = time.process_time()
    for part in parts(given, RawRecord):
        rest = part
        while rest:
            folded = first.fold(rest[: fitting(rest)])
            rest = rest[folded.count :]
            chunks.append(encode_chunk(folded.chunk))
            count += folded.count
    between = time.process_time()
    for _ in second.fold((place, decode_chunk(chunk)) for place, chunk in enumerate(chunks)):
        pass
    return Cost(between - began, time.process_time() - between, size, count)


class OrdinaryEvents:
    """Plain events, measured whenever something is compared with them: the machine is not the same all the time."""

    def __init__(self) -> None:
        workload = Workload(NOW, _PLAIN_EVENTS, companies=10, users=1000, partitions=1)
        self._given = batches((key, value, []) for _, key, value in records(workload))

    def multiples(
        self, given: tuple[Sequence[Batch], int], times: int, deciding: Deciding
    ) -> tuple[Cost, float, float]:
        """The least cost of so many tries, and how often that of plain bytes it is, in the first hop and in both."""
        tries = [(cost(*given, deciding), cost(*self._given, Deciding())) for _ in range(times)]
        least, plain = (min(each, key=lambda one: one.first) for each in zip(*tries, strict=True))
        seconds = [min(each.second for each in column) for column in zip(*tries, strict=True)]
        scale = plain.size / least.size
        both = (least.first + seconds[0]) / (plain.first + seconds[1])
        return least, least.first / plain.first * scale, both * scale


Found = tuple[float, float, Shape, Cost]


def measured(
    plain: OrdinaryEvents, shape: Shape, size: int = _SAMPLE, times: int = 5, deciding: Deciding = _LASTING
) -> Found:
    """Multiples of the first hop and of both, the shape, and its cost."""
    least, first, both = plain.multiples(batches(rows(shape, size)), times, deciding)
    return first, both, shape, least


def searched(plain: OrdinaryEvents, known: Sequence[Found], seconds: float, choose: random.Random) -> list[Found]:
    """Shapes near the dearest, and any, for so long: a quick look at each, a measurement where it seems dear."""
    best = sorted(known, key=_dearest, reverse=True)[:_KEPT]
    seen = {found[2] for found in known}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        near = best[min(int(choose.expovariate(0.2)), len(best) - 1)][2]
        shape = neighbour(near, choose) if choose.random() < 0.7 else drawn(choose)
        if shape in seen:
            continue
        seen.add(shape)
        if _dearest(measured(plain, shape, _LOOK, 1)) > 0.7 * _dearest(best[-1]):
            best = sorted([*best, measured(plain, shape)], key=_dearest, reverse=True)[:_KEPT]
    return best


def _dearest(found: Found) -> float:
    """What the bound is for: a plain byte costs both hops, a refused one almost nothing in the second."""
    return found[1]


def main(
    seconds: int = typer.Option(300, min=0, help="How long to search beyond the shapes that are known."),
    seed: int = typer.Option(1, help="Of the search."),
    write: bool = typer.Option(False, help="Write docs/performance/hostile.md."),
) -> None:
    """Measure what the dearest bytes cost; exit code 1 where one is above the bound."""
    gc.set_threshold(50_000, 20, 50)  # as in a worker
    plain = OrdinaryEvents()
    with bar("shapes that are known"):
        looked_at = sorted((measured(plain, shape, _LOOK, 1) for shape in CATALOGUE), key=_dearest, reverse=True)
        known = [measured(plain, found[2]) for found in looked_at[: 2 * _SHOWN]]
        begun = [measured(plain, shape, deciding=Deciding()) for shape in CATALOGUE if shape.begins_companies]
    with bar("search"):
        found = searched(plain, known, seconds, random.Random(seed))
    shown = sorted({each[2]: each for each in (*known, *found)}.values(), key=_dearest, reverse=True)[:_SHOWN]
    begun.sort(key=_day, reverse=True)
    console.print(_table("the dearest bytes, as multiples of plain ones", shown, _COLUMNS))
    console.print(_table("what a partition takes of companies that are new, a day at most", begun, _BEGUN))
    if write:
        _PAGE.write_text(_page(shown, begun, len(CATALOGUE), seconds), "utf-8")
    raise typer.Exit(int(_dearest(shown[0]) > BOUND))


Columns = tuple[tuple[str, Callable[[Found], str]], ...]


def _day(found: Found) -> float:
    """Seconds of CPU in both hops that as many companies take as may begin in a partition on one day."""
    return (found[3].first + found[3].second) / found[3].records * Deciding().max_new_companies


_RECORD: Final[Columns] = (
    ("shape", lambda found: found[2].name),
    ("bytes a record", lambda found: f"{found[3].size / found[3].records:,.0f}"),
)
_COLUMNS: Final[Columns] = (
    *_RECORD,
    ("us a record", lambda found: f"{found[3].first / found[3].records * 1e6:,.1f}"),
    ("first hop", lambda found: f"{found[0]:.1f}"),
    ("both hops", lambda found: f"{found[1]:.1f}"),
)
_BEGUN: Final[Columns] = (
    *_RECORD,
    ("us a record, both hops", lambda found: f"{(found[3].first + found[3].second) / found[3].records * 1e6:,.0f}"),
    ("both hops", lambda found: f"{found[1]:.1f}"),
    ("seconds a day", lambda found: f"{_day(found):.1f}"),
)


def _table(title: str, shown: Sequence[Found], columns: Columns) -> Table:
    table = Table(title=title)
    for name, _ in columns:
        table.add_column(name, justify="left" if name == "shape" else "right")
    for found in shown:
        table.add_row(*(cell(found) for _, cell in columns))
    return table


def _markdown(shown: Sequence[Found], columns: Columns) -> str:
    lines = [
        "| " + " | ".join(name for name, _ in columns) + " |",
        "| --- |" + " ---: |" * (len(columns) - 1),
        *("| " + " | ".join(cell(found) for _, cell in columns) + " |" for found in shown),
    ]
    return "\n".join(lines)


_FRAME: Final = """# The dearest bytes

Generated by `python -m bench.hostile --write`. Whoever may write to raw chooses what is written there, so this page tells
what the dearest bytes cost, beside those of plain events. The bound is that no byte costs more than {bound} plain ones, in
both hops together.

A byte is one of a record as it lies in a batch, uncompressed: key, value, headers and frame. Its cost is CPU from the
batch to the rows that a worker would write: reading, folding, the clean chunk and the rejected records; in the second hop
the fold of those chunks. Plain are single events of the workload that [Speed](../performance.md) is measured with, {plain}
of them. Each shape is folded in a state that knows nothing yet. Beside {known} shapes that were thought of, others were put
together at random and the dearest of all changed step by step for {seconds} seconds; the {shown} dearest are shown.

{date}, commit `{commit}`, {machine}.

{table}

## What is bounded a day

A company that is new makes state, which costs more than {bound} plain bytes a byte. So a partition takes {companies} of them
a day (`FOOTFALL_MAX_NEW_COMPANIES`) and refuses the others as `over-bound`; above, shapes with new companies are measured
past that bound. This is what those within it cost at most, in CPU of both hops for each partition and day.

{begun}
"""  # noqa: E501 - Markdown


def _page(shown: Sequence[Found], begun: Sequence[Found], known: int, seconds: int) -> str:
    told = {"bound": BOUND, "plain": f"{_PLAIN_EVENTS:,}", "known": known, "seconds": seconds, "shown": len(shown)}
    told |= {"companies": f"{Deciding().max_new_companies:,}"}
    return _FRAME.format(**told, **stamp(), table=_markdown(shown, _COLUMNS), begun=_markdown(begun, _BEGUN))


if __name__ == "__main__":
    typer.run(main)
