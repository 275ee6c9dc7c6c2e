"""Broker, topics and both workers together, as ``demo`` and ``up`` use them."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.broker.digests import announce as announce_digest
from pipeline.broker.digests import in_force_at_ends
from pipeline.broker.embedded import embedded
from pipeline.broker.jars import Progress
from pipeline.broker.topics import apply
from pipeline.errors import Refused
from pipeline.folders import held, is_held, kept_secret, writable
from pipeline.kafka.reader import LogReader
from pipeline.preflight import require_key
from pipeline.processes import WorkerProcess, start_worker
from pipeline.settings import Settings
from pipeline.settings_env import as_environment

__all__ = ["Stack", "noted_workers", "running_stack"]

_LAST_PORT: Final = 65_535
_NOTED: Final = "workers.json"
_DO: Final = "set FOOTFALL_DATA_DIR to a folder of this user's"


@dataclass(slots=True)
class Stack:
    """What runs: the settings of ``anonymize``, which name the broker and the key, and the workers."""

    settings: Settings
    folder: Path
    anonymize: WorkerProcess
    aggregate: WorkerProcess

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
    settings: Settings, folder: Path, progress: Progress | None = None, *, announce: bool = False
) -> AsyncIterator[Stack]:
    """Start the real broker, make the topics, start both workers and wait until they are ready; stop all at the end.

    All ``settings`` are handed on to the workers but the brokers and the data folder, which are the stack's own; so is
    the key where none is set. Where a metrics port is set, ``aggregate`` has the next one. ``progress`` tells of the
    jars. ``announce`` goes on with a folder that was begun under another fold digest, which is refused without it.
    Refuses before anything is started where the folder is unusable or another process holds it.
    """
    _refuse_unfit(settings)
    writable(folder, _DO)
    settings = settings.model_copy(update=settings.no_security())
    with held(folder, "footfall up", _DO):
        if settings.pseudonym_secret() is None:
            settings = settings.model_copy(update={"pseudonym_key_file": kept_secret(folder / "pseudonym.key")})
        if settings.control_keys() is None:
            settings = settings.model_copy(update={"control_key_file": kept_secret(folder / "control.key")})
        async with AsyncExitStack() as ending:
            brokers = await ending.enter_async_context(embedded(folder / "broker", progress))
            settings = settings.model_copy(update={"brokers": brokers, "data_dir": folder / "data"})
            await apply(settings)
            announced = await _look_at_digests(settings, announce=announce)
            workers: list[WorkerProcess] = []
            for kind, given in _environments(settings):
                workers.append(start_worker(kind, given, folder / "logs", bound=True))
                ending.push_async_callback(workers[-1].stop)
                if announced:  # what the second reads must be under its digest
                    await workers[-1].ready()
            for worker in workers:
                await worker.ready()
            noted = {"brokers": brokers, "workers": [worker.metrics_address for worker in workers]}
            (folder / _NOTED).write_text(json.dumps(noted), "utf-8")
            yield Stack(settings, folder, *workers)


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
                raise Refused(
                    f"this folder was begun by another release or under other settings (fold digest {end.digest})",
                    "start footfall up --announce to go on under these, or start it as it was",
                )
    return False


def _refuse_unfit(settings: Settings) -> None:
    """What a cluster has and one broker with two workers on this machine cannot have."""
    if (settings.replication or 1) > 1:
        raise Refused(
            f"FOOTFALL_REPLICATION is {settings.replication}, but one broker is started here", "unset it here"
        )
    if settings.metrics_port == _LAST_PORT:
        raise Refused("FOOTFALL_METRICS_PORT leaves no port for the second worker", f"set it below {_LAST_PORT}")


def _environments(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """Each worker's settings as its environment; ``aggregate`` holds no key."""
    port = settings.metrics_port if "metrics_port" in settings.model_fields_set else 0
    return [
        ("anonymize", as_environment(settings.model_copy(update={"metrics_port": port}))),
        ("aggregate", as_environment(settings.without_keys().model_copy(update={"metrics_port": port and port + 1}))),
    ]


def noted_workers(folder: Path, brokers: str | None) -> list[str]:
    """``host:port`` of the metrics of the workers of the stack that runs in ``folder`` on ``brokers``; [] without."""
    if not is_held(folder):
        return []
    try:
        noted = json.loads((folder / _NOTED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return list(noted["workers"]) if noted["brokers"] == brokers else []
