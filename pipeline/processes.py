"""Workers as processes of their own: started, watched until ready, and stopped, for ``demo``, ``up`` and tests."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pipeline.broker.embedded import free_ports
from pipeline.errors import Refused

__all__ = ["WorkerProcess", "metric_total", "new_keys", "start_worker"]


def new_keys() -> dict[str, str]:
    """Settings of ``worker anonymize`` with keys that nobody else has."""
    return {name: secrets.token_hex(32) for name in ("PSEUDONYM_KEY", "CONTROL_KEY")}


def metric_total(page: str, name: str, **labels: str) -> float | None:
    """The sum of the samples ``name`` with ``labels`` on a page of ``/metrics``; None where it has none."""
    values = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(values) if values else None


@dataclass(slots=True)
class WorkerProcess:
    """One running ``footfall worker``; ``log`` takes its stdout and stderr."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path
    metrics_port: int

    @property
    def metrics_url(self) -> str:
        """Where Prometheus scrapes it."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of its metrics port; status 0 where nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def ready(self, deadline: float = 60) -> None:
        """Wait for ``/readyz``; refuses with the last line of the log where the worker ends first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline
        while loop.time() < until:
            if self.process.poll() is not None:
                lines = self.log.read_text(errors="replace").strip().splitlines()
                raise Refused(
                    f"worker {self.kind} ended with exit code {self.process.returncode}",
                    f"its last line: {lines[-1] if lines else 'none'}",
                )
            if (await asyncio.to_thread(self.get, "/readyz"))[0] == 200:
                return
            await asyncio.sleep(0.1)
        raise Refused(f"worker {self.kind} was not ready within {deadline:.0f} s", f"read its log, {self.log}")

    async def stop(self, grace: float = 12) -> int:
        """SIGTERM, and SIGKILL after ``grace`` seconds; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self.process.wait, grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return await asyncio.to_thread(self.process.wait)


def start_worker(
    kind: str,
    settings: Mapping[str, str],
    folder: Path,
    name: str | None = None,
    arguments: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> WorkerProcess:
    """Start ``footfall worker KIND`` with ``arguments`` and ``FOOTFALL_*`` ``settings`` (names without the prefix).

    It inherits no other setting of this process; ``variables`` are set beside them, such as another ``PYTHONPATH``.
    Its log is ``folder/NAME.log``, appended to.
    """
    (port,) = free_ports(1)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FOOTFALL_")}
    environment |= {f"FOOTFALL_{key}": value for key, value in settings.items()}
    environment["FOOTFALL_METRICS_PORT"] = str(port)
    environment |= variables or {}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name or kind}.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", "from pipeline.cli import main; main()", "worker", kind, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )
    return WorkerProcess(kind, process, log, port)
