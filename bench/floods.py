"""What floods of invented names make a worker's folds hold: each flood in a process of its own, with an honest company.

Both folds run in memory, without a broker; what they would write is dropped. The honest company's figures must be
exact. Peak memory is that of the whole process, the imports among it.
"""

import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import orjson
import typer
from rich.table import Table

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import RawRecord
from pipeline.cli.show import bar, console
from schemas.bounds import Bound
from schemas.deciding import Deciding
from schemas.times import instant

_NOW = 1_780_272_000_000  # 2026-06-01
_CHUNK = 5000
_HONEST_EVERY = 500
_FIGURE = f"honest|chats_created|P1M|{instant(_NOW)}|"

Json = dict[str, Any]
_APP: Json = {"application": "web", "version": "1", "environment": "prod"}

FLOODS: dict[str, Callable[[int], Json]] = {
    "companies": lambda number: {"company": f"c{number}"},
    "companies with wrong clocks": lambda number: {"company": f"c{number}", "time": instant(_NOW + 10**9)},
    "companies that withdraw": lambda number: {"company": f"c{number}", **_word("app", granted=False)},
    "sources": lambda number: {"source": f"s{number}"},
    "incarnations": lambda number: {"source": f"s#{number}"},
    "sequences with gaps": lambda number: {"sequence": 2 * number},
    "ids": lambda number: {"sequence": None},
    "grants": lambda number: {"installation": f"i{number}", **_word("platform", granted=True)},
    "withdrawals": lambda number: {"installation": f"i{number}", **_word("platform", granted=False)},
    "users": lambda number: {"data": {"user": f"u{number}"}},
    "values": lambda number: {"type": "folder.created", "data": {"kind": f"k{number}"}},
    "apps": lambda number: {"source": f"s{number}", "type": "app.started", "data": _APP},
}
"""What the event of a number differs in from one of a known source, by the name of the flood."""


def _word(scope: str, *, granted: bool) -> Json:
    return {"type": "consent.changed", "data": {"scope": scope, "granted": granted}}


class Outcome(NamedTuple):
    """What a flood came to; memory in bytes, ``honest`` what the honest company's figure lacks."""

    name: str
    peak: int
    microseconds: float
    over: Counter[Bound]
    honest: int


def main(
    count: int = typer.Option(1_000_000, min=10_000, help="Events of each flood."),
    only: list[str] = typer.Option(list(FLOODS), help="Floods to run."),
) -> None:
    """Let each flood run through both folds, and tell what it came to."""
    found = []
    with bar("floods") as report:
        for done, name in enumerate(only):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                found.append(pool.submit(flood, name, count).result())  # raises where the process is killed
            report(done + 1, len(only))
    console.print(_table(found, count))
    if any(each.honest for each in found):
        raise typer.Exit(1)


def flood(name: str, count: int) -> Outcome:
    """One flood, in this process."""
    first = AnonymizeFold(Deciding(), Pseudonyms(bytes(32)), topic="raw", partition=0, partitions=1, digest="fold")
    second = AggregateFold(Deciding(), 0)
    emission, over, honest = Emission(second), Counter[Bound](), 0
    began = time.process_time()
    for records in _chunks(name, count):
        honest += sum(record.key == b"honest" for record in records)
        left = records
        while left:
            folded = first.fold(left)
            left = left[folded.count :]
            over.update(folded.over)
            for _ in second.fold([(records[0].offset, folded.chunk)]):
                pass
        emission.begin()
        while emission.under_way:
            emission.draw(10_000)
        emission.finish(0)
    over.update(second.bounds.drain())
    figure = second.figures.find(_FIGURE)
    return Outcome(
        name,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        (time.process_time() - began) / count * 1e6,
        over,
        honest - (0 if figure is None else figure.value),
    )


def _chunks(name: str, count: int) -> Iterator[list[RawRecord]]:
    for begin in range(0, count, _CHUNK):
        yield [_record(name, number) for number in range(begin, min(begin + _CHUNK, count))]


def _record(name: str, number: int) -> RawRecord:
    """Both companies number their events without gaps, so that the bound of intervals takes from neither."""
    told: Json = {
        "specversion": "1.0",
        "id": f"{number}",
        "source": "s",
        "sequence": number - number // _HONEST_EVERY - 1,
        "type": "chat.created",
        "company": "flooded",
        "time": instant(_NOW),
        "data": {},
    }
    if number % _HONEST_EVERY:
        told |= FLOODS[name](number)
    else:
        told |= {"company": "honest", "sequence": number // _HONEST_EVERY}
    return RawRecord(number, _NOW, str(told["company"]).encode(), orjson.dumps(told), ())


def _table(found: list[Outcome], count: int) -> Table:
    table = Table(title=f"floods of {count:,} events each")
    for heading in ("flood", "peak MB", "us an event", "past a bound", "honest company"):
        table.add_column(heading, justify="left" if heading in {"flood", "past a bound"} else "right")
    for each in found:
        over = ", ".join(f"{bound.value} {number:,}" for bound, number in each.over.most_common()) or "nothing"
        honest = "exact" if not each.honest else f"{each.honest:+,} missing"
        table.add_row(each.name, f"{each.peak / 1e6:,.0f}", f"{each.microseconds:.1f}", over, honest)
    return table


if __name__ == "__main__":
    typer.run(main)
