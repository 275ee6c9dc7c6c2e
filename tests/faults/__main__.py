"""``python -m tests.faults SEEDS``: run random mixes of faults with a progress bar, and report them as a table.

``SEEDS`` is a count, a seed range such as ``10-29``, or ``=7`` for that one alone. A mix that fails prints the command
that repeats it and keeps its folder.
"""

import asyncio
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from rich.progress import track
from rich.table import Table

from pipeline.cli.show import console
from tests.faults.mixes import MixResult, draw_mix, run_mix


def seeds_of(text: str) -> range:
    if text.startswith("="):
        return range(int(text[1:]), int(text[1:]) + 1)
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)", text)
    if found is None:
        sys.exit("SEEDS is a count, a range such as 10-29, or =7 for one seed")
    return range(int(found[1] or 1), int(found[2]) + 1)


def run_one(seed: int) -> MixResult:
    folder = Path(tempfile.mkdtemp(prefix=f"footfall-mix-{seed}-"))
    result = draw_mix(seed)
    try:
        asyncio.run(run_mix(result, folder))
    except Exception:
        told = traceback.format_exc().strip()
        console.print(f"[red]mix {seed} failed[/red] ({', '.join(result.troubles)}, {result.nodes} brokers)")
        console.print(f"its folder is {folder}; repeat it: make faults SEEDS=={seed}")
        console.print(told[-3000:], markup=False)
        result.error = told.splitlines()[-1][:200]
        return result
    shutil.rmtree(folder, ignore_errors=True)
    return result


def report(results: list[MixResult]) -> Table:
    table = Table(title=f"{len(results)} mixes of faults")
    for name in ("fault", "runs", "mixes equal", "mixes failed"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    runs, equal, failed = Counter[str](), Counter[str](), Counter[str]()
    for result in results:
        runs.update(result.troubles)
        (failed if result.error else equal).update(set(result.troubles))
    for name in sorted(runs):
        table.add_row(name.replace("_", " "), str(runs[name]), str(equal[name]), str(failed[name]))
    wrong = [result for result in results if result.error]
    table.caption = f"{len(results) - len(wrong)} equal, {len(wrong)} failed {[result.seed for result in wrong] or ''}"
    return table


def main() -> None:
    began = time.perf_counter()
    results = [run_one(seed) for seed in track(seeds_of(sys.argv[1]), "mixes", console=console)]
    console.print(report(results))
    console.print(f"{sum(result.counted for result in results):,} events, {time.perf_counter() - began:.0f} s")
    sys.exit(any(result.error for result in results))


if __name__ == "__main__":
    main()
