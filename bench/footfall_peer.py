"""Footfall as one more row of the comparison: both its workers, with all their promises."""

import os
import sys
from collections.abc import Mapping
from typing import Final

import orjson

from bench.peers.catalogue import Command, Peer, Run
from pipeline.broker.embedded import free_ports
from schemas.topics import TOPICS

__all__ = ["FOOTFALL", "figure_of"]

_KINDS: Final = ("anonymize", "aggregate")


def figure_of(value: bytes) -> int | None:
    """The value of an aggregate record; None for a window or a metric that the peers do not keep."""
    record = orjson.loads(value)
    shared = record["window"]["size"] == "PT1H" or record["metric"] == "dau"
    return int(record["value"]) if shared else None


def _commands(run: Run) -> list[Command]:
    return [
        Command(
            (sys.executable, "-c", "from pipeline.cli import main; main()", "worker", kind),
            _environment(run, kind),
            run.folder / kind,
        )
        for kind in _KINDS
    ]


def _environment(run: Run, kind: str) -> Mapping[str, str]:
    settings = {
        "BROKERS": run.brokers,
        "TOPIC_PREFIX": run.raw.removesuffix(TOPICS["raw"].suffix),
        "PARTITIONS": str(run.partitions),
        "EMIT_INTERVAL": "1",
        "METRICS_PORT": str(free_ports(1)[0]),
    } | ({"PSEUDONYM_KEY": run.key, "CONTROL_KEY": run.key[::-1]} if kind == "anonymize" else {})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    return kept | {f"FOOTFALL_{name}": value for name, value in settings.items()}


FOOTFALL: Final = Peer("Footfall", "exact", lambda: None, _commands)
