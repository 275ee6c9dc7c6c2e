"""Workers as processes of their own: started, watched until ready, and stopped, for ``demo``, ``up`` and tests."""

import asyncio
import contextlib
import http.client
import json
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
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from pipeline.broker.embedded import dies_with_parent, free_ports
from pipeline.errors import StartupError

__all__ = ["WorkerProcess", "answering", "metric_count", "metric_total", "new_keys", "page", "start_worker"]

_REFUSED: Final = "footfall: "
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what listens on all answers on loopback


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


def metric_count(page: str, name: str, **labels: str) -> int:
    """As :func:`metric_total`, of what is counted in whole numbers; 0 where the page has none."""
    return int(metric_total(page, name, **labels) or 0)


def page(address: str, path: str) -> tuple[int, str]:
    """Status and text of a page of the metrics port at ``host:port``; status 0 where nothing answers within 2 s.

    It is asked directly, whatever proxy the environment names: no proxy knows this machine's loopback.
    """
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with asking.open(f"http://{address}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError):
        return 0, ""


def answering(host: str, port: int | str) -> str:
    """``host:port`` at which what listens at ``host`` answers on this machine."""
    found = _EVERYWHERE.get(host, host)
    return f"[{found}]:{port}" if ":" in found else f"{found}:{port}"


@dataclass(slots=True)
class WorkerProcess:
    """One running ``footfall worker``; ``log`` takes its stdout and stderr, ``metrics_address`` is ``host:port``."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path
    metrics_address: str

    @property
    def metrics_url(self) -> str:
        """Where Prometheus scrapes it."""
        return f"http://{self.metrics_address}/metrics"

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page of its metrics port; status 0 where nothing answers."""
        return page(self.metrics_address, path)

    def ended(self) -> StartupError:
        """How it ended, by the last line that it said."""
        lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        if last.startswith(_REFUSED):
            return StartupError(f"worker {self.kind} was refused", last.removeprefix(_REFUSED))
        with contextlib.suppress(ValueError, TypeError, KeyError):  # whatever was written last, by whomever
            parsed = json.loads(last)
            return StartupError(f"worker {self.kind} ended: {parsed['what']}", f"{parsed['do']}; its log is {self.log}")
        return StartupError(
            f"worker {self.kind} ended with exit code {self.process.returncode}", f"read its log, {self.log}"
        )

    async def ready(self, deadline: float = 60) -> None:
        """Wait for ``/readyz``; refuses with the last line of the log where the worker ends first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline
        while loop.time() < until:
            if self.process.poll() is not None:
                raise self.ended()
            if (await asyncio.to_thread(self.get, "/readyz"))[0] == 200:
                return
            await asyncio.sleep(0.1)
        raise StartupError(f"worker {self.kind} was not ready within {deadline:.0f} s", f"read its log, {self.log}")

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
    *,
    bound: bool = False,
) -> WorkerProcess:
    """Start ``footfall worker KIND`` with ``arguments`` and ``FOOTFALL_*`` ``settings`` (names without the prefix).

    It inherits no other setting of this process; ``variables`` are set beside them, such as another ``PYTHONPATH``.
    Without a metrics port it takes a free one. Its log is ``folder/NAME.log``, appended to. One that is ``bound`` is
    ended (on Linux, by the kernel) with the thread that started it.
    """
    given = {"METRICS_HOST": "127.0.0.1", **settings}
    if int(given.get("METRICS_PORT", "0")) == 0:
        given["METRICS_PORT"] = str(free_ports(1)[0])
    environment = {key: value for key, value in os.environ.items() if not key.upper().startswith("FOOTFALL_")}
    environment |= {f"FOOTFALL_{key}": value for key, value in given.items()}
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
            preexec_fn=dies_with_parent() if bound else None,  # noqa: PLW1509 - it only calls prctl
        )
    return WorkerProcess(kind, process, log, answering(given["METRICS_HOST"], given["METRICS_PORT"]))
