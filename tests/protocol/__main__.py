"""``python -m tests.protocol --steps N``: schedules from seeds until they come to N steps, and a line that sums up.

A schedule that fails prints what is wrong, its seed and the one command that repeats it; the exit code is then 1.
"""

import argparse
import sys
import time
import traceback
from itertools import count

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli.show import console
from tests.protocol.schedules import made, small_batches

_SHOWN = 5


def at_least(least: int) -> "type[int]":
    def number(text: str) -> int:
        if int(text) < least:
            raise ValueError(text)
        return int(text)

    number.__name__ = f"whole number from {least}"
    return number  # type: ignore[return-value]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.protocol", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--steps", type=at_least(1), default=1_000_000, help="how many at least (%(default)s)")
    parser.add_argument("--first", type=at_least(0), default=0, metavar="SEED", help="seed of the first schedule")
    parser.add_argument("--seed", type=at_least(0), help="run the schedule of this seed alone")
    return parser.parse_args()


def run_one(seed: int) -> tuple[int, bool]:
    """Steps of the schedule, and whether it failed."""
    steps = 0
    try:
        simulation, wrong = made(seed)
        steps = simulation.steps
    except Exception:
        wrong = [traceback.format_exc()]
    if wrong:
        console.print(f"[red]schedule {seed} fails[/red] in {len(wrong)} points, the first of them:")
        for each in wrong[:_SHOWN]:
            console.print(f"  {each}", markup=False, highlight=False)
        console.print(f"repeat it: python -m tests.protocol --seed {seed}", markup=False, highlight=False)
    return steps, bool(wrong)


def main() -> None:
    given = arguments()
    began, steps, schedules = time.perf_counter(), 0, 0
    failed: list[int] = []
    columns = (TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with small_batches(), Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=given.steps if given.seed is None else None)
        for seed in count(given.first) if given.seed is None else [given.seed]:
            more, fails = run_one(seed)
            steps, schedules = steps + more, schedules + 1
            failed += [seed] * fails
            progress.update(task, completed=steps)
            if steps >= given.steps:
                break
    told = f"{len(failed)} of them fail: seeds {failed}" if failed else "all equal to the oracle"
    console.print(f"{steps:,} steps in {schedules:,} schedules, {told} ({time.perf_counter() - began:.0f} s)")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
