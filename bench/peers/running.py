"""One peer over a loaded topic: started as processes, watched until its sink is right, measured, ended by their ids."""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.peers.catalogue import Command, Peer, Run
from bench.peers.expected import Figures
from bench.peers.figures import Difference, Reader, Sink, create_sink, differences, number_of, watched

__all__ = ["PeerResult", "measure", "run_peer", "started"]

_DEADLINE = 600.0
_SETTLE = 3.0
"""Seconds that a right sink must stay right: longer than any peer's interval of commits and of emission."""
_SAMPLE = 0.2
_GRACE = 10.0


@dataclass(slots=True)
class PeerResult:
    """What one run did. A sink that is not as expected gives no rate, whatever the times say.

    The steady part runs from the first figures seen in the sink to the last; what they counted is not in it.
    """

    events: int
    """That are counted once, by the expected figures."""
    seconds: float = 0
    """From the start of the processes to the last figure, start-up included."""
    steady_events: int = 0
    steady_seconds: float = 0
    cpu: float = 0
    """CPU seconds of all its processes from their start to the last figure."""
    steady_cpu: float = 0
    peak_rss: int = 0
    """Greatest resident set of all its processes together, bytes, of samples every 0.2 s."""
    figures: int = 0
    differences: list[Difference] = field(default_factory=list)
    problem: str | None = None
    """Why it came to no right sink: a process ended, or time ran out."""
    app: str = ""
    """What its changelogs are named after."""

    @property
    def right(self) -> bool:
        """Whether its sink came to be the expected one, and stayed so."""
        return self.problem is None and not self.differences

    @property
    def steady(self) -> bool:
        """Whether the steady part says enough: a second, and half of the events, at least."""
        return self.steady_seconds >= 1 and self.steady_events * 2 >= self.events

    @property
    def rate(self) -> float | None:
        """Events a second in the steady part, of the whole run where that says too little; None where it is wrong."""
        if not self.right or not self.seconds:
            return None
        return self.steady_events / self.steady_seconds if self.steady else self.events / self.seconds

    @property
    def cpu_per_million(self) -> float | None:
        """CPU seconds for a million events, of the same part as the rate; None where it is wrong."""
        if not self.right or not self.events:
            return None
        return (self.steady_cpu / self.steady_events if self.steady else self.cpu / self.events) * 1e6


async def run_peer(
    peer: Peer,
    brokers: str,
    raw: str,
    folder: Path,
    expected: Figures,
    *,
    partitions: int,
    workers: int = 2,
    deadline: float = _DEADLINE,
    own_sink: tuple[str, Reader] | None = None,
) -> PeerResult:
    """Run a prepared peer over all of ``raw``, with a fresh sink topic and state folder; ``deadline`` in seconds.

    ``own_sink`` is the empty topic of a system that has one, and how the values in it are read.
    """
    app = f"peer-{secrets.token_hex(4)}"
    sink, read = own_sink or (f"{app}-figures", number_of)
    if own_sink is None:
        await create_sink(brokers, sink, partitions)
    run = Run(brokers, raw, sink, folder / app, app, secrets.token_hex(32), partitions, workers)
    async with watched(brokers, sink, partitions, read) as seen:
        with started(peer.commands(run)) as processes:
            result = await measure(processes, seen, expected, deadline=deadline)
    result.app = app
    if result.problem:
        result.problem = "; ".join([result.problem, *_last_lines(run.folder)])
    return result


def _last_lines(folder: Path) -> Iterator[str]:
    for log in sorted(folder.rglob("log")):
        lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
        if lines:
            yield f"{log.parent.name} said: {lines[-1].strip()}"


async def measure(
    processes: list[subprocess.Popen[bytes]],
    sink: Sink,
    expected: Figures,
    *,
    deadline: float = _DEADLINE,
    settle: float = _SETTLE,
) -> PeerResult:
    """Watch ``sink`` until it has been as expected for ``settle`` seconds, or ``deadline`` seconds have passed."""
    began = time.perf_counter()
    result = PeerResult(_counted(expected))
    usage = _Usage(processes)
    first: tuple[float, int, float] | None = None
    right_since: float | None = None
    while time.perf_counter() - began < deadline:
        changed = await sink.poll()
        now = time.perf_counter()
        usage.sample(now=changed)
        right = sink.figures == expected
        if changed and not (right and right_since):  # a figure sent once more takes no more time
            first = first or (now, _counted(sink.figures), usage.cpu)
            result.seconds, result.cpu = now - began, usage.cpu
            result.steady_seconds, result.steady_cpu = now - first[0], usage.cpu - first[2]
            result.steady_events = result.events - first[1]
        right_since = (right_since or now) if right else None
        if right_since and now - right_since >= settle:
            break
        ended = next((process for process in processes if process.poll() is not None), None)
        if ended is not None:
            result.problem = f"process {ended.pid} ended with exit code {ended.returncode}"
            break
    else:
        result.problem = f"its sink was not right within {deadline:.0f} s"
    result.peak_rss, result.figures = usage.peak_rss, len(sink.figures)
    result.differences = differences(expected, sink.figures)
    return result


def _counted(figures: Figures) -> int:
    return sum(value for figure, value in figures.items() if "|dau|" not in figure)


class _Usage:
    """CPU and memory of processes and of all that they started, looked at every now and then."""

    def __init__(self, processes: Iterable[subprocess.Popen[bytes]]) -> None:
        self.cpu = 0.0
        self.peak_rss = 0
        self._roots: list[psutil.Process] = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended already is told of elsewhere
                self._roots.append(psutil.Process(process.pid))
        self._next = 0.0

    def sample(self, *, now: bool) -> None:
        """Look, ``now`` or where it is time to."""
        if not now and time.perf_counter() < self._next:
            return
        self._next = time.perf_counter() + _SAMPLE
        cpu, rss = 0.0, 0
        for process in self._all():
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                cpu += sum(times[:4])  # its own, and that of children that have ended
                rss += process.memory_info().rss
        self.cpu = max(self.cpu, cpu)
        self.peak_rss = max(self.peak_rss, rss)

    def _all(self) -> Iterator[psutil.Process]:
        for root in self._roots:
            yield root
            with contextlib.suppress(psutil.Error):
                yield from root.children(recursive=True)


@contextmanager
def started(commands: Iterable[Command]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes, each the head of a session of its own with a ``log`` in its folder; ended on the way out."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            command.folder.mkdir(parents=True, exist_ok=True)
            with (command.folder / "log").open("ab") as log:
                processes.append(
                    subprocess.Popen(
                        command.argv,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=dict(command.environment),
                        cwd=command.folder,
                        start_new_session=True,
                    )
                )
        yield processes
    finally:
        _end(processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM to each session, SIGKILL after a grace to what is left of it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        until = time.monotonic() + _GRACE
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
