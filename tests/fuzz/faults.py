"""``python -m tests.fuzz.faults``: faults put into copies of the C code on purpose, each of which fuzzing has to find.

Each is built, fuzzed from the seeds alone, and told with the seconds that it took; exit code 1 where one is not found.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz import building, seeds
from tests.fuzz.__main__ import FOLDER, Run, fuzz

__all__ = ["FAULTS", "Fault", "faulty", "find"]

_MODULES: Final = {"pre_aggregate.c": building.MODULES[1], "columns.c": building.MODULES[2]}


class Fault(NamedTuple):
    """``text``, which stands once in a file of the C code, becomes ``fault``."""

    name: str
    file: str
    text: str
    fault: str

    @property
    def module(self) -> str:
        """The one that it is part of."""
        return _MODULES.get(self.file, building.MODULES[0])


FAULTS: Final = (
    Fault(
        "a number is read past its record",
        "stored.h",
        "at < end && shift < bits",
        "shift < bits",
    ),
    Fault(
        "eight bytes are read where fewer are left",
        "text.h",
        "while (end - at >= 8)",
        "while (end - at >= 1)",
    ),
    Fault(
        "surrogates are UTF-8",
        "text.h",
        "most = lead == 0xED ? 0x9F : 0xBF",
        "most = 0xBF",
    ),
    Fault(
        "a sequence has twenty digits",
        "text.h",
        "text.size == 0 || text.size > 18",
        "text.size == 0 || text.size > 20",
    ),
    Fault(
        "a minute has 61 seconds",
        "text.h",
        "second > 59",
        "second > 60",
    ),
    Fault(
        "every fourth February has 30 days",
        "text.h",
        "(month == 2 && leap)",
        "(month == 2) + (month == 2 && leap)",
    ),
    Fault(
        "a clock is ahead a millisecond too early",
        "run.h",
        "event->time > sum(",
        "event->time >= sum(",
    ),
    Fault(
        "an event is late a millisecond too early",
        "run.h",
        "event->time < less(",
        "event->time <= less(",
    ),
    Fault(
        "an hour ends a record too late",
        "run.h",
        "run->append_time >= run->hour_end",
        "run->append_time > run->hour_end",
    ),
    Fault(
        "the first sequence of a run costs too little",
        "host.h",
        "source->extended ? 1 : source->first_cost",
        "1",
    ),
    Fault(
        "a withdrawal is no matter",
        "run.h",
        "(run->silent && shape->unless_refused)",
        "shape->unless_refused",
    ),
    Fault(
        "the least offset is left out",
        "records.h",
        "found->offset >= block.least",
        "found->offset > block.least",
    ),
    Fault(
        "escapes are no matter in short values",
        "short.h",
        "here == '\\\\' || here >= 0x80;",
        "here >= 0x80;",
    ),
    Fault(
        "a batch of two is one refusal",
        "short.h",
        "is_batch && seen.count != 1",
        "is_batch && seen.count == 0",
    ),
    Fault(
        "the first user is nobody",
        "pre_aggregate.c",
        "user >= 0 && active",
        "user > 0 && active",
    ),
    Fault(
        "users are not bounded",
        "pre_aggregate.c",
        "given->users, &user",
        "given->users + 1, &user",
    ),
    Fault(
        "a number's bytes are not bounded",
        "columns.c",
        "if (end - at < size) {\n        return NULL;\n    }\n    const uint64_t value",
        "const uint64_t value",
    ),
    Fault(
        "a number below -32 is short",
        "columns.c",
        "value >= -32 &&",
        "value >= -33 &&",
    ),
)


def faulty(fault: Fault, folder: Path) -> dict[str, Path]:
    """The library of the module that the fault is part of, built from a copy that has it."""
    source = Path(*fault.module.split(".")).parent
    shutil.copytree(building.ROOT / source, folder / source, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    changed = folder / source / fault.file
    text = changed.read_text()
    assert text.count(fault.text) == 1, fault.name
    changed.write_text(text.replace(fault.text, fault.fault))
    return building.build(folder / "libraries", folder, (fault.module,))


def find(fault: Fault, folder: Path, begin: Path, seconds: int) -> Run:
    """Fuzz C code that has the fault; ``begin`` are the seeds."""
    shutil.rmtree(folder, ignore_errors=True)
    libraries = building.build(FOLDER / "libraries") | faulty(fault, folder)
    return fuzz(libraries, folder, begin, 20 * seconds, ["-seed=1"], cpu=seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.faults", description="Find faults put in on purpose.")
    parser.add_argument("--seconds", type=int, default=60, help="of the processor, for each at most")
    parser.add_argument("--only", default="", help="those with this in their name")
    given = parser.parse_args()
    seeds.write(FOLDER / "seeds")
    missed = 0
    for number, fault in enumerate(FAULTS):
        if given.only in fault.name:
            run = find(fault, FOLDER / "faults" / str(number), FOLDER / "seeds", given.seconds)
            missed += run.found is None
            what = "found" if run.found is not None else "NOT FOUND"
            print(f"{fault.name}: {what} after {run.seconds:.0f} s ({run.cpu:.0f} s of the processor)", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
