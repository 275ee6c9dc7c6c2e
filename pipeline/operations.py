"""What a worker tells about itself: Prometheus metrics from the catalogue, ``/readyz`` and ``/livez``."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from agents.core.accept.state import Folded, RawEntry
from agents.core.count.fold import AggregateFold
from pipeline.errors import StartupError
from pipeline.worker.held import Held
from schemas.bounds import Bound
from schemas.wire.operational import OPERATIONAL, Instrument, RecoveryWay

__all__ = ["Operations", "Pages"]


class _Standing(Protocol):
    partition: int
    held: Held

    @property
    def lag(self) -> int: ...


class Operations:
    """The metrics of one worker, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._closing: dict[int, int] = {}
        for entry in OPERATIONAL.values():
            labels = [name for name, _ in entry.labels]
            if entry.instrument is Instrument.COUNTER:
                self._counters[entry.name] = Counter(entry.name, entry.help, labels, registry=self.registry)
            elif entry.instrument is Instrument.GAUGE:
                self._gauges[entry.name] = Gauge(entry.name, entry.help, labels, registry=self.registry)
            else:
                self._histograms[entry.name] = Histogram(
                    entry.name, entry.help, labels, buckets=entry.buckets, registry=self.registry
                )

    def folded_raw(self, folded: Folded, entry: RawEntry, seconds: float) -> None:
        """``anonymize`` folded a chunk."""
        for outcome, number in folded.outcomes.items():
            self._counters["footfall_events"].labels(outcome.value).inc(number)
        for reason, number in folded.reasons.items():
            self._counters["footfall_rejected"].labels(reason.value).inc(number)
        self._over(folded.over)
        self._counters["footfall_ledger_entries"].inc(len(folded.ledger))
        self._counters["footfall_books_unbalanced"].inc(folded.unbalanced)
        self._chunk(folded.count, seconds)

    def folded_clean(self, events: int, seconds: float, over: Mapping[Bound, int]) -> None:
        """``aggregate`` folded what one state batch holds; ``over``: what bounds kept out of figures."""
        self._over(over)
        self._counters["footfall_counted"].inc(events)
        self._chunk(events, seconds)

    def holds(self, partition: int, fold: AggregateFold) -> None:
        """How much state a partition has."""
        self._gauges["footfall_active_users"].labels(str(partition)).set(fold.activity.count)
        self._gauges["footfall_open_windows"].labels(str(partition)).set(len(fold.figures.windows))

    def _over(self, over: Mapping[Bound, int]) -> None:
        for bound, number in over.items():
            self._counters["footfall_over_bound"].labels(bound.value).inc(number)

    def bounded(self, partition: int, peaks: Mapping[Bound, int]) -> None:
        """The most that any company of a partition was seen to hold."""
        for bound, number in peaks.items():
            self._gauges["footfall_bound_peak"].labels(str(partition), bound.value).set(number)

    def withdrawn(self, partition: int, closed: int, unknown: int) -> None:
        """How many companies are closed, and whether those unknown until then are."""
        self._gauges["footfall_closed_companies"].labels(str(partition)).set(closed)
        self._gauges["footfall_unknown_withdrew"].labels(str(partition)).set(unknown)

    def corrected(self, records: int) -> None:
        """``aggregate`` appended corrections."""
        self._counters["footfall_corrections"].inc(records)

    def emitted(self, records: int) -> None:
        """``aggregate`` appended to the sink."""
        self._counters["footfall_emitted"].inc(records)

    def recovered(self, way: RecoveryWay, seconds: float) -> None:
        """A partition is restored and mended."""
        self._counters["footfall_recoveries"].labels(way.value).inc()
        self._histograms["footfall_recovery_seconds"].observe(seconds)

    def stands(self, owner: _Standing, closing_watermark: int) -> None:
        """Where an owner stands; ``closing_watermark`` in milliseconds, negative where there is none."""
        label = str(owner.partition)
        self._gauges["footfall_consumer_lag"].labels(label).set(owner.lag)
        self._gauges["footfall_held_records"].labels(label).set(owner.held.records)
        if closing_watermark > 0:
            self._gauges["footfall_watermark_lag_seconds"].labels(label).set(time.time() - closing_watermark / 1000)

    def follows(self, partition: int, lag: int) -> None:
        """By how many records a standby is behind its changelog."""
        self._gauges["footfall_standby_lag"].labels(str(partition)).set(lag)

    def dropped(self, partition: int) -> None:
        """A partition is no longer ours, or no longer followed."""
        for gauge in self._gauges.values():
            gauge.remove_by_labels({"partition": str(partition)})

    def _chunk(self, size: int, seconds: float) -> None:
        self._histograms["footfall_chunk_records"].observe(size)
        self._histograms["footfall_fold_seconds"].observe(seconds)


def _unusable(host: str, port: int, error: Exception) -> StartupError:
    """The refusal of an address to listen on, which names the setting that is to blame."""
    number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
    if number == errno.EADDRINUSE:
        return StartupError(
            f"the metrics port {port} of {host} is taken",
            "set FOOTFALL_METRICS_PORT to another, or end what listens there",
        )
    if number == errno.EACCES:
        return StartupError(
            f"the metrics port {port} of {host} is not for this user", "set FOOTFALL_METRICS_PORT to one above 1023"
        )
    if number in {None, errno.EADDRNOTAVAIL, errno.EINVAL}:
        return StartupError(
            f"{host} is no address of this machine",
            "set FOOTFALL_METRICS_HOST to 127.0.0.1, to an address that it has, or to 0.0.0.0 for all of them",
        )
    return StartupError(
        f"nothing can listen at the metrics port {port} of {host} ({os.strerror(number or 0)})",
        "mend that, or set FOOTFALL_METRICS_HOST and FOOTFALL_METRICS_PORT to another place",
    )


class Pages:
    """The metrics port: ``/metrics``, ``/readyz``, ``/livez``; answered by the worker's own loop."""

    def __init__(self, operations: Operations, why_not_ready: Callable[[], str | None]) -> None:
        self._operations = operations
        self._why_not_ready = why_not_ready
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; ``port`` 0 takes any free one. Refuses where the host or the port cannot be had."""
        try:
            self._server = await asyncio.start_server(self._answer, host, port)
        except (OSError, UnicodeError) as error:
            raise _unusable(host, port, error) from None
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), 5)
            while (await asyncio.wait_for(reader.readline(), 5)) not in {b"\r\n", b"\n", b""}:
                pass
            parts = line.split()
            status, text = self._page(parts[1].split(b"?")[0] if len(parts) > 1 else b"")
            kind = b"text/plain; version=0.0.4; charset=utf-8"
            head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, kind, len(text)) + text)
            await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    def _page(self, path: bytes) -> tuple[bytes, bytes]:
        if path == b"/metrics":
            return b"200 OK", generate_latest(self._operations.registry)
        if path == b"/livez":
            return b"200 OK", b"alive\n"
        if path == b"/readyz":
            why = self._why_not_ready()
            return (b"200 OK", b"ready\n") if why is None else (b"503 Service Unavailable", f"{why}\n".encode())
        return b"404 Not Found", b"try /metrics, /readyz or /livez\n"
