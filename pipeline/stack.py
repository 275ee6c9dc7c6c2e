"""Broker, topics and both workers together, as ``demo`` and ``up`` use them."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.digests import announce as announce_digest
from pipeline.broker.digests import in_force_at_ends
from pipeline.broker.embedded import embedded
from pipeline.broker.jars import Progress
from pipeline.broker.topics import apply
from pipeline.errors import Refused
from pipeline.preflight import require_key
from pipeline.processes import WorkerProcess, start_worker
from pipeline.settings import Settings
from pipeline.worker.recovery import LogReader

__all__ = ["Stack", "running_stack"]

_NO_OTHER_KEYS = {"pseudonym_key": None, "control_key": None}


@dataclass(slots=True)
class Stack:
    """What runs: the broker's address, where logs and keys lie, the workers."""

    brokers: str
    folder: Path
    keys: Mapping[str, Path]
    """Settings that name the key files, by their names without ``FOOTFALL_``."""
    anonymize: WorkerProcess
    aggregate: WorkerProcess

    @property
    def workers(self) -> tuple[WorkerProcess, WorkerProcess]:
        """Both workers, in flow order."""
        return self.anonymize, self.aggregate


def key_files(folder: Path) -> dict[str, Path]:
    """The folder's keys by the settings that name them, made at first use and readable by their owner alone."""
    files = {f"{name.upper()}_KEY_FILE": folder / f"{name}.key" for name in ("pseudonym", "control")}
    for path in files.values():
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32) + "\n")
    return files


def _deciding(settings: Settings) -> dict[str, str]:
    """The settings that decide, as the workers are given them: the digest is looked at here, and folded under there."""
    durations = ("lateness", "clock_ahead", "grace_hour", "grace_day", "idle_after")
    given = {name.upper(): str(getattr(settings, name).total_seconds()) for name in durations}
    return given | {"MAX_SERIES": str(settings.max_series)}


async def _look_at_digests(settings: Settings, *, announce: bool) -> bool:
    """Whether a change was announced; refuses one that is not to be."""
    keys = require_key("anonymize", settings)
    if keys is None:
        return False
    if announce:
        return bool((await announce_digest(settings, keys)).partitions)
    async with LogReader(settings.brokers or "") as reader:
        for end in await in_force_at_ends(reader, settings, keys.control):
            if end is not None and end.digest != settings.digest():
                raise Refused(
                    f"this folder was begun by another release or under other settings (fold digest {end.digest})",
                    "start footfall up --announce to go on under these, or start it as it was",
                )
    return False


@asynccontextmanager
async def running_stack(
    settings: Settings,
    folder: Path,
    overrides: Mapping[str, str],
    progress: Progress | None = None,
    *,
    announce: bool = False,
) -> AsyncIterator[Stack]:
    """Start the real broker, make the topics, start both workers and wait until they are ready; stop all at the end.

    ``overrides`` are settings for the workers by their names without ``FOOTFALL_``; ``progress`` tells of the jars.
    ``announce`` goes on with a folder that was begun under another fold digest, which is refused without it.
    """
    keys = key_files(folder)
    logs = folder / "logs"
    async with embedded(folder / "broker", progress) as brokers:
        common = {
            "BROKERS": brokers,
            "TOPIC_PREFIX": settings.topic_prefix,
            "PARTITIONS": str(settings.partitions),
            "DATA_DIR": str(folder / "data"),
            **_deciding(settings),
            **overrides,
        }
        given = settings.model_copy(
            update={"brokers": brokers, **{name.lower(): path for name, path in keys.items()}, **_NO_OTHER_KEYS}
        )
        await apply(given)
        announced = await _look_at_digests(given, announce=announce)
        workers: list[WorkerProcess] = []
        try:
            workers.append(start_worker("anonymize", common | {name: str(path) for name, path in keys.items()}, logs))
            if announced:  # what it reads must be under its digest
                await workers[0].ready()
            workers.append(start_worker("aggregate", common, logs))
            for worker in workers:
                await worker.ready()
            yield Stack(brokers, folder, keys, *workers)
        finally:
            for worker in workers:
                await worker.stop()
