"""``python -m tests.faults SEEDS [--jobs N] [--report FILE]``: run random mixes of faults, and report them as a table.

``SEEDS`` is a count, a seed range such as ``10-29``, or ``=7`` for that one alone; ``--jobs`` run side by side. A mix
that fails prints the command that repeats it and keeps its folder. ``--report`` appends each mix to a file, one JSON
object a line, of which ``docs/reliability.md`` is made (see ``tests.faults.reliability``).
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from rich.progress import track
from rich.table import Table

from pipeline.cli.show import console
from tests.faults.mixes import MixResult, draw_mix
from tests.faults.reliability import HEAD, counted_by_fault
from tests.faults.running import run_all


def seeds_of(text: str) -> range:
    found = re.fullmatch(r"=(\d+)|(?:(\d+)-)?(\d+)", text)
    first, last = (int(found[1] or found[2] or 1), int(found[1] or found[3])) if found else (1, 0)
    if first > last:
        sys.exit("SEEDS is a count, a range such as 10-29, or =7 for one seed")
    return range(first, last + 1)


def commit() -> str:
    """Of this checkout, with a plus where files differ from it; empty where there is no history."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def table_of(results: list[MixResult]) -> Table:
    lines = [result.line() for result in results]
    table = Table(title=f"{len(results)} mixes of faults")
    for name in HEAD:
        table.add_column(name, justify="left" if name == "fault" else "right")
    for row in counted_by_fault(lines):
        table.add_row(*row)
    wrong = sorted(result.seed for result in results if result.error)
    table.caption = f"{len(results) - len(wrong)} equal, {len(wrong)} failed {wrong or ''}"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Run random mixes of faults.")
    parser.add_argument("seeds", help="a count, a range such as 10-29, or =7 for one seed")
    parser.add_argument("--jobs", type=int, default=1, help="mixes that run side by side")
    parser.add_argument("--report", type=Path, help="append each mix to this file, a JSON object a line")
    given = parser.parse_args()
    seeds, began, version = seeds_of(given.seeds), time.monotonic(), commit()
    results = []
    mixes = [draw_mix(seed) for seed in seeds]
    for result, folder, told in track(run_all(mixes, given.jobs), "mixes", total=len(mixes), console=console):
        results.append(result)
        if result.error:
            console.print(f"[red]mix {result.seed} failed[/red] ({', '.join(result.troubles)}, {result.nodes} brokers)")
            console.print(f"its folder is {folder}; repeat it: make faults SEEDS=={result.seed}")
            console.print(told[-3000:], markup=False)
        if given.report:
            with given.report.open("a") as report:
                report.write(json.dumps({"commit": version} | result.line()) + "\n")
    console.print(table_of(results))
    met, all_of_them = sum(each.in_flight for each in results), sum(len(each.troubles) for each in results)
    console.print(
        f"{sum(result.counted for result in results):,} events counted, {met} of {all_of_them} faults while data was in"
        f" flight, {time.monotonic() - began:.0f} s"
    )
    sys.exit(any(result.error for result in results))


if __name__ == "__main__":
    main()
