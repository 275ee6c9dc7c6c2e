"""Broker, topics and both workers together, as ``demo`` and ``up`` use them."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.broker.digests import announce as announce_digest
from pipeline.broker.digests import in_force_at_ends
from pipeline.broker.jars import Progress
from pipeline.broker.resolving import BrokerChoice, Chosen, resolve, resolve_secure
from pipeline.broker.secured import Secured
from pipeline.broker.topics import apply
from pipeline.errors import StartupError
from pipeline.folders import held, is_held, kept_secret, writable
from pipeline.kafka.reader import LogReader
from pipeline.preflight import require_broker, require_key
from pipeline.processes import WorkerProcess, start_worker
from pipeline.settings.env import as_environment
from pipeline.settings.settings import Settings
from schemas.flow import OPERATOR, STAGES

__all__ = ["Stack", "noted_workers", "running_stack", "up_folder"]

_LAST_PORT: Final = 65_535
_NOTED: Final = "workers.json"
_DO: Final = "set FOOTFALL_DATA_DIR to a folder of this user's"


@dataclass(slots=True)
class Stack:
    """What runs: settings that name the broker and the keys, the workers, and the logins where there are any.

    With logins the settings are those of the operator.
    """

    settings: Settings
    folder: Path
    anonymize: WorkerProcess
    aggregate: WorkerProcess
    broker: Chosen

    @property
    def brokers(self) -> str:
        """The broker's address."""
        return self.settings.brokers or ""

    @property
    def workers(self) -> tuple[WorkerProcess, WorkerProcess]:
        """Both workers, in flow order."""
        return self.anonymize, self.aggregate


@asynccontextmanager
async def running_stack(
    settings: Settings,
    folder: Path,
    progress: Progress | None = None,
    *,
    announce: bool = False,
    choice: BrokerChoice = BrokerChoice.AUTO,
    kept: bool = False,
    secure: bool = False,
) -> AsyncIterator[Stack]:
    """Find or start a broker, make the topics, start both workers and wait until they are ready; stop all at the end.

    All ``settings`` are handed on to the workers but the data folder and, where the brokers are not those of the
    settings, these and how they are reached; so is the key where none is set. With ``secure`` everybody logs in over
    TLS as the role that they are, and may do what that may. Where a metrics port is set, ``aggregate`` has the next
    one. ``choice`` and ``kept`` are as in :func:`resolve`; ``progress`` tells of the jars of an embedded broker.
    ``announce`` goes on with a folder that was begun under another fold digest, which is refused without it.
    Refuses before anything is started where the folder is unusable or another process holds it.
    """
    given = settings.brokers if choice is BrokerChoice.AUTO else None
    _refuse_unfit(settings, own=given is None)
    if secure:
        _refuse_other_brokers(given, choice)
    writable(folder, _DO)
    if given is None:
        settings = settings.model_copy(update=settings.no_security())
    with held(folder, "footfall up", _DO):
        settings = _with_kept_keys(settings, folder)
        async with AsyncExitStack() as ending:
            if secure:
                found = resolve_secure(folder / "broker", settings.topic_prefix, progress)
            else:
                found = resolve(folder / "broker", choice, given, progress, kept=kept)
            broker = await ending.enter_async_context(found)
            settings = _beside(broker, settings, folder)
            await require_broker(settings)
            await apply(settings)
            announced = await _look_at_digests(settings, announce=announce)
            anonymize, aggregate = await _start_workers(settings, folder, broker, ending, announced=announced)
            yield Stack(settings, folder, anonymize, aggregate, broker)


def _with_kept_keys(settings: Settings, folder: Path) -> Settings:
    """Where a key is not set, one that is kept in the folder."""
    if settings.pseudonym_secret() is None:
        settings = settings.model_copy(update={"pseudonym_key_file": kept_secret(folder / "pseudonym.key")})
    if settings.control_keys() is None:
        settings = settings.model_copy(update={"control_key_file": kept_secret(folder / "control.key")})
    return settings


def _beside(broker: Chosen, settings: Settings, folder: Path) -> Settings:
    """The settings of whoever operates the broker from here."""
    own = {"brokers": broker.address, "data_dir": folder / "data"}
    own |= broker.access.settings(OPERATOR) if broker.access else {}
    return settings.model_copy(update=own)


async def _start_workers(
    settings: Settings, folder: Path, broker: Chosen, ending: AsyncExitStack, *, announced: bool
) -> list[WorkerProcess]:
    """Start both, in flow order, and wait until they are ready; ``ending`` stops them. Others find them by a note."""
    workers: list[WorkerProcess] = []
    for kind, variables in _environments(settings, broker.access):
        workers.append(start_worker(kind, variables, folder / "logs", bound=True))
        ending.push_async_callback(workers[-1].stop)
        if announced:  # what the second reads must be under its digest
            await workers[-1].ready()
    for worker in workers:
        await worker.ready()
    noted = {"brokers": broker.address, "workers": [worker.metrics_address for worker in workers]}
    (folder / _NOTED).write_text(json.dumps(noted), "utf-8")
    return workers


async def _look_at_digests(settings: Settings, *, announce: bool) -> bool:
    """Whether a change was announced; refuses one that is not to be."""
    keys = require_key("anonymize", settings)
    if keys is None:
        return False
    if announce:
        return bool((await announce_digest(settings, keys)).partitions)
    async with LogReader(settings.connection()) as reader:
        for end in await in_force_at_ends(reader, settings, keys.control):
            if end is not None and end.digest != settings.digest():
                raise StartupError(
                    f"this folder was begun by another release or under other settings (fold digest {end.digest})",
                    "start footfall up --announce to go on under these, or start it as it was",
                )
    return False


def _refuse_unfit(settings: Settings, *, own: bool) -> None:
    """What a cluster has and one broker with two workers on this machine cannot have."""
    if own and (settings.replication or 1) > 1:
        raise StartupError(
            f"FOOTFALL_REPLICATION is {settings.replication}, but one broker is started here", "unset it here"
        )
    if settings.metrics_port == _LAST_PORT:
        raise StartupError("FOOTFALL_METRICS_PORT leaves no port for the second worker", f"set it below {_LAST_PORT}")


def _refuse_other_brokers(given: str | None, choice: BrokerChoice) -> None:
    """Only of the embedded broker are the logins and the rights ours to give."""
    if choice is BrokerChoice.CONTAINER:
        raise StartupError("--secure has an embedded broker, but --broker container asks for another", "leave one out")
    if given is not None:
        raise StartupError(
            "--secure has an embedded broker of its own, but FOOTFALL_BROKERS is set",
            "unset that, or add --broker embedded",
        )


def _environments(settings: Settings, access: Secured | None = None) -> list[tuple[str, dict[str, str]]]:
    """Each worker's settings as its environment: its own login, a port of its own, and no key where it needs none."""
    port = settings.metrics_port if "metrics_port" in settings.model_fields_set else 0
    found: list[tuple[str, dict[str, str]]] = []
    for number, stage in enumerate(STAGES.values()):
        given = settings if stage.holds_key else settings.without_keys()
        more = {"metrics_port": port and port + number, **(access.settings(stage.kind) if access else {})}
        found.append((stage.kind, as_environment(given.model_copy(update=more))))
    return found


def up_folder(settings: Settings, *, secure: bool = False) -> Path:
    """Where ``footfall up`` keeps everything; a broker that was begun without logins has none to log in to."""
    return settings.data_dir.absolute() / ("up-secure" if secure else "up")


def noted_workers(folder: Path, brokers: str | None) -> list[str]:
    """``host:port`` of the metrics of the workers of the stack that runs in ``folder`` on ``brokers``; [] without."""
    if not is_held(folder):
        return []
    try:
        noted = json.loads((folder / _NOTED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(noted["workers"]) if noted["brokers"] == brokers else []
