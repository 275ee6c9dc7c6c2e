"""``python -m tests.fuzz --seconds 60``: fuzz the compiled parts, show how far that is, and keep what is found.

What is found is a file below ``build/fuzz/found``; ``--repeat FILE`` tries it once more. Inputs that reached something
new are kept below ``build/fuzz/corpus``, and tried first by the next run.
"""

import argparse
import hashlib
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz import building, seeds
from tests.fuzz.changes import words
from tests.fuzz.target import MOST, Kept

__all__ = ["FOLDER", "Run", "fuzz"]

FOLDER: Final = building.ROOT / "build" / "fuzz"
_LINE: Final = re.compile(r"#(\d+)\s.*?cov: (\d+) .*?corp: (\d+)/(\S+)")
_REPORT: Final = re.compile("ERROR: AddressSanitizer|runtime error:|Traceback|ERROR: libFuzzer")
_EVERY: Final = 5.0
_LINES: Final = 30
_HANGS: Final = 120
"""Seconds after which an input is found to hang; so many that a busy machine is none."""


@dataclass
class Run:
    """What a run came to so far; ``found`` is the input at which the process ended otherwise than at its time."""

    inputs: int = 0
    places: int = 0
    kept: int = 0
    size: str = "0b"
    seconds: float = 0.0
    cpu: float = 0.0
    """Seconds of the processor that the process had, which on a busy machine are fewer."""
    found: bytes | None = None
    said: list[str] = field(default_factory=list)
    """How the report of what was found begins."""

    def __str__(self) -> str:
        speed = self.inputs / max(self.seconds, 1e-9)
        counts = f"{self.inputs:,} inputs, {speed:,.0f} a second, {self.places:,} places of the C code reached"
        return f"{self.seconds:.0f} s: {counts}, {self.kept:,} inputs kept ({self.size})"

    def read(self, line: str) -> None:
        """A line of libFuzzer's."""
        if told := _LINE.match(line):
            self.inputs, self.places, self.kept = int(told[1]), int(told[2]), int(told[3])
            self.size = told[4]
        else:
            if _REPORT.search(line):
                self.said.clear()
            self.said += [line] if len(self.said) < _LINES else []


def _cpu() -> float:
    """Seconds of the processor that processes started by this one have had."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    text = "".join([f"\\x{byte:02x}" for byte in word])
    return f'"{text}"\n'


def fuzz(
    libraries: Mapping[str, Path],
    folder: Path,
    begin: Path,
    seconds: int,
    options: Sequence[str] = (),
    *,
    cpu: int | None = None,
) -> Run:
    """Fuzz these libraries for so long, or until something is found; ``begin`` are inputs to begin with.

    With ``cpu`` nothing is shown, and it is over too after so many seconds of the processor.
    """
    run, began, shown, before = Run(), time.monotonic(), 0.0, _cpu()
    kept = folder / "input"
    with subprocess.Popen(
        _command(kept, folder, begin, seconds, options),
        env=building.environment(libraries),
        stderr=subprocess.PIPE,
        cwd=building.ROOT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        if cpu is not None:
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu, cpu + 10))
        for line in process.stderr:
            run.read(line.rstrip())
            run.seconds = time.monotonic() - began
            if run.seconds - shown >= _EVERY and cpu is None:
                shown = run.seconds
                print(run, flush=True)
    run.seconds, run.cpu = time.monotonic() - began, _cpu() - before
    if process.returncode not in {0, -signal.SIGXCPU}:
        run.found = Kept.read(kept)
    return run


def _command(kept: Path, folder: Path, begin: Path, seconds: int, options: Sequence[str]) -> list[str]:
    """Fuzzing by libFuzzer, with its corpus and its dictionary in the folder."""
    corpus, dictionary = folder / "corpus", folder / "words"
    corpus.mkdir(parents=True, exist_ok=True)
    dictionary.write_text("".join(map(_quoted, words())))
    given = [f"-max_total_time={seconds}", f"-max_len={MOST // 8}", f"-timeout={_HANGS}", "-rss_limit_mb=4096"]
    given.append("-entropic_scale_per_exec_time=1")  # cheap inputs are drawn more often
    given += [f"-dict={dictionary}", f"-artifact_prefix={folder}/engine-", *options, str(corpus), str(begin)]
    return [sys.executable, "-m", "tests.fuzz.target", str(kept), *given]


def _keep(run: Run) -> Path:
    """Where the input that was found lies now."""
    assert run.found is not None
    path = FOLDER / "found" / hashlib.sha256(run.found).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(run.found)
    return path


def _repeat(libraries: Mapping[str, Path], files: Sequence[Path]) -> int:
    command = [sys.executable, "-m", "tests.fuzz.target", str(FOLDER / "repeated"), "--repeat", *map(str, files)]
    return subprocess.run(command, env=building.environment(libraries), cwd=building.ROOT, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the compiled parts.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of what libFuzzer draws; 0: another each time")
    parser.add_argument("--repeat", type=Path, nargs="+", help="try these inputs and nothing else")
    given = parser.parse_args()
    libraries = building.build(FOLDER / "libraries")
    if given.repeat:
        return _repeat(libraries, [path.resolve() for path in given.repeat])
    seeds.write(FOLDER / "seeds")
    run = fuzz(libraries, FOLDER, FOLDER / "seeds", given.seconds, [f"-seed={given.seed}"])
    print(run)
    if run.found is None:
        print("nothing found")
        return 0
    print(*run.said, sep="\n")
    print(f"found an input; once more: make fuzz REPEAT={_keep(run).relative_to(building.ROOT)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
