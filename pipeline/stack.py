"""Broker, topics and both workers together, as ``demo`` and ``up`` use them."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.broker.embedded import embedded
from pipeline.broker.jars import Progress
from pipeline.broker.topics import apply
from pipeline.processes import WorkerProcess, start_worker
from pipeline.settings import Settings

__all__ = ["Stack", "running_stack"]


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


@asynccontextmanager
async def running_stack(
    settings: Settings, folder: Path, overrides: Mapping[str, str], progress: Progress | None = None
) -> AsyncIterator[Stack]:
    """Start the real broker, make the topics, start both workers and wait until they are ready; stop all at the end.

    ``overrides`` are settings for the workers by their names without ``FOOTFALL_``; ``progress`` tells of the jars.
    """
    keys = key_files(folder)
    logs = folder / "logs"
    async with embedded(folder / "broker", progress) as brokers:
        common = {
            "BROKERS": brokers,
            "TOPIC_PREFIX": settings.topic_prefix,
            "PARTITIONS": str(settings.partitions),
            "DATA_DIR": str(folder / "data"),
            **overrides,
        }
        await apply(settings.model_copy(update={"brokers": brokers}))
        workers: list[WorkerProcess] = []
        try:
            workers.append(start_worker("anonymize", common | {name: str(path) for name, path in keys.items()}, logs))
            workers.append(start_worker("aggregate", common, logs))
            for worker in workers:
                await worker.ready()
            yield Stack(brokers, folder, keys, *workers)
        finally:
            for worker in workers:
                await worker.stop()
