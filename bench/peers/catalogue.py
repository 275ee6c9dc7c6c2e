"""The peers: what each is called, what it guarantees, why it may be left out, and how it is started."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers.environment import CACHE, HERE, PeerMissingError, digest, ready_environment, run_quietly
from bench.peers.work import KEY_VARIABLE
from pipeline.broker.embedded import free_ports

__all__ = ["PEERS", "Command", "Peer", "Run"]

_STREAMS = HERE / "kafka_streams"
_STREAMS_BUILT = CACHE / "kafka-streams"
_HEAP = "-Xmx1g"


@dataclass(frozen=True, slots=True)
class Run:
    """What a peer is given: a loaded raw topic, an empty sink topic, an empty folder of its own.

    ``workers`` are threads or processes, whichever the peer's documentation uses to keep more than one core busy;
    ``key`` is of the pseudonyms, in hex; ``app`` names consumer group and changelogs, and is used for one run.
    """

    brokers: str
    raw: str
    sink: str
    folder: Path
    app: str
    key: str
    partitions: int
    workers: int = 2


@dataclass(frozen=True, slots=True)
class Command:
    """One process to start; ``environment`` is all that it gets, ``folder`` is where it runs."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """One row of the comparison.

    ``prepare`` makes what its processes need and says why the peer is left out, None where it is not; it may take
    minutes the first time. ``commands`` are the processes of a run.
    """

    name: str
    guarantee: str
    prepare: Callable[[], str | None]
    commands: Callable[[Run], list[Command]]


def _why_not(make: Callable[[], object]) -> Callable[[], str | None]:
    def prepare() -> str | None:
        try:
            make()
        except PeerMissingError as error:
            return str(error)
        return None

    return prepare


def _environment(run: Run) -> dict[str, str]:
    """This process's, without Footfall's settings, and what a program needs to find ``bench`` and the key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    return kept | {KEY_VARIABLE: run.key, "PYTHONPATH": str(HERE.parents[1])}


def _python(
    name: str, guarantee: str, environment: str | None, most_workers: int | None = None
) -> Callable[[Run], list[Command]]:
    def commands(run: Run) -> list[Command]:
        python = str(CACHE / environment / "bin" / "python") if environment else sys.executable
        workers = min(run.workers, most_workers or run.workers)
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(workers))
        return [
            Command(
                (
                    *(python, "-m", f"bench.peers.{name}"),
                    *("--brokers", run.brokers, "--raw", run.raw, "--sink", run.sink, "--app", run.app),
                    *("--guarantee", guarantee, "--partitions", str(run.partitions), "--folder", str(folder)),
                    *("--workers", str(workers), "--worker", str(worker), "--addresses", addresses),
                ),
                _environment(run),
                folder,
            )
            for worker in range(workers)
            for folder in [run.folder / str(worker)]
        ]

    return commands


def _build_streams() -> None:
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise PeerMissingError(f"{program} is not on this machine")
    sources = sorted(path for path in _STREAMS.rglob("*") if path.is_file() and "target" not in path.parts)
    made_of = _STREAMS_BUILT / "made-of"
    wanted = digest(*sources)
    if made_of.exists() and made_of.read_text("utf-8") == wanted:
        return
    shutil.rmtree(_STREAMS_BUILT, ignore_errors=True)
    run_quietly(
        ["mvn", "-q", "-B", "-f", str(_STREAMS / "pom.xml"), "compile", f"-Dbuilt={_STREAMS_BUILT}"],
        "Kafka Streams could not be built",
    )
    made_of.write_text(wanted, "utf-8")


def _streams(guarantee: str) -> Callable[[Run], list[Command]]:
    def commands(run: Run) -> list[Command]:
        path = os.pathsep.join((str(_STREAMS_BUILT / "classes"), str(_STREAMS_BUILT / "jars" / "*")))
        given = (run.brokers, run.raw, run.sink, str(run.folder), run.app, str(run.workers), guarantee)
        argv = ("java", _HEAP, "-cp", path, "footfall.bench.Main", *given)
        return [Command(argv, _environment(run), run.folder)]

    return commands


def _here() -> None:
    """Nothing to make: it runs in Footfall's own environment."""


PEERS: tuple[Peer, ...] = (
    *(
        Peer("Kafka Streams", guarantee, _why_not(_build_streams), _streams(guarantee))
        for guarantee in ("exactly_once_v2", "at_least_once")
    ),
    Peer(
        "Quix Streams",
        "exactly-once",
        _why_not(lambda: ready_environment("quix")),
        _python("quix", "exactly-once", "quix"),
    ),
    Peer(
        "Bytewax",
        "at-least-once",
        _why_not(lambda: ready_environment("bytewax")),
        _python("bytewax_flow", "at-least-once", "bytewax"),
    ),
    *(
        # One process: of two that started together some runs stood still with records missing; why was not traced.
        Peer("stock Faust", guarantee, _why_not(_here), _python("stock_faust", guarantee, None, 1))
        for guarantee in ("exactly_once", "at_least_once")
    ),
)
"""Every peer, the strongest guarantee of each first."""
