"""What the Python peers have in common: how an event is read, numbered, pseudonymized and named. Needs no package.

Figures are named as in the sink: ``company|metric|window size|window start|name=value,name=value``.
"""

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from schemas.catalogue.metrics import METRICS, Kind, Metric, WindowSize

__all__ = ["Arguments", "active_user", "arguments", "counts", "number", "seen_with", "source"]

KEY_VARIABLE: Final = "PEER_KEY"
"""The environment variable with the key of the pseudonyms, in hex."""
_KEPT_PSEUDONYMS: Final = 1 << 17
_COUNTED: dict[str, list[Metric]] = {}
for _metric in METRICS.values():
    if _metric.kind is Kind.COUNT and WindowSize.HOUR in _metric.windows and _metric.event_type:
        _COUNTED.setdefault(_metric.event_type, []).append(_metric)
_KEY: Final = bytes.fromhex(os.environ.get(KEY_VARIABLE, ""))


class Arguments(argparse.Namespace):
    """What the runner gives to every program."""

    brokers: str
    raw: str
    sink: str
    folder: str
    app: str
    guarantee: str
    partitions: int
    workers: int
    worker: int
    addresses: str


def arguments() -> Arguments:
    """The command line of a program; it ends with exit code 2 where that is wrong."""
    parser = argparse.ArgumentParser()
    for name in ("brokers", "raw", "sink", "folder", "app", "guarantee"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--partitions", type=int, required=True, help="of the raw topic")
    parser.add_argument("--workers", type=int, default=1, help="processes in all")
    parser.add_argument("--worker", type=int, default=0, help="which of them this is")
    parser.add_argument("--addresses", default="", help="where they find each other, if they do: host:port;host:port")
    return parser.parse_args(namespace=Arguments())


def source(event: Mapping[str, Any]) -> str:
    """The source of an event, within its company."""
    return str(event["source"])


def number(event: Mapping[str, Any]) -> int:
    """Its sequence number, sent as an integer or as decimal text."""
    return int(event["sequence"])


def seen_with(seen: Sequence[int], counted: int) -> list[int] | None:
    """What was counted of a source once ``counted`` is too; None where it was before.

    The first number that was not counted, then those counted beyond it, ascending; ``[0]`` for a new source.
    """
    first, *ahead = seen
    if counted == first and not ahead:
        return [first + 1]
    if counted < first or counted in ahead:
        return None
    ahead = sorted([*ahead, counted])
    joined = 0
    while joined < len(ahead) and ahead[joined] == first + joined:
        joined += 1
    return [first + joined, *ahead[joined:]]


def counts(event: Mapping[str, Any]) -> list[str]:
    """The hourly figures that the event adds one to."""
    data = event["data"]
    found = []
    for metric in _COUNTED.get(event["type"], ()):
        if metric.where is None or data.get(metric.where[0]) == metric.where[1]:
            dimensions = ",".join([f"{name}={data[name]}" for name in metric.dimensions])
            hour = _utc(event["time"])[:13]
            found.append(f"{event['company']}|{metric.name}|PT1H|{hour}:00:00Z|{dimensions}")
    return found


def active_user(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """The daily figure and the pseudonym of the user whom the event makes active; None where it does not."""
    data = event["data"]
    user = data.get("user")
    if user is None or event["type"] == "consent.changed":
        return None
    if event["type"] == "message.sent" and data.get("role") == "assistant":
        return None
    company = event["company"]
    return f"{company}|dau|P1D|{_utc(event['time'])[:10]}T00:00:00Z|", _pseudonym(company, user)


@lru_cache(maxsize=_KEPT_PSEUDONYMS)
def _pseudonym(company: str, user: str) -> str:
    return hashlib.blake2b(f"{company}\0{user}".encode(), key=_KEY, digest_size=16).hexdigest()


def _utc(time: str) -> str:
    return time if time.endswith("Z") else datetime.fromisoformat(time).astimezone(UTC).isoformat()
