"""The expected totals of a workload, by naive dicts and sets: what must be in a peer's sink, and nothing else."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bench.workload import Record
from schemas.catalogue.metrics import METRICS, Kind, Metric, WindowSize
from schemas.catalogue.types import EVENT_TYPES

__all__ = ["Figures", "expected_figures", "hourly_figures"]

Figures = Mapping[str, int]
"""Value by id: ``company|metric|window size|window start|name=value,name=value``."""


def expected_figures(records: Iterable[Record]) -> dict[str, int]:
    """Hourly counts with their dimensions, and daily active users; each (company, source, sequence) counts once."""
    counted: set[tuple[str, str, int]] = set()
    figures: Counter[str] = Counter()
    active: dict[str, set[str]] = {}
    for event in _events(records):
        identity = event["company"], event["source"], int(event["sequence"])
        if identity in counted:
            continue
        counted.add(identity)
        figures.update(_hourly(event))
        if _activates(event):
            moment = datetime.fromisoformat(event["time"]).astimezone(UTC)
            day = f"{event['company']}|dau|P1D|{moment:%Y-%m-%d}T00:00:00Z|"
            active.setdefault(day, set()).add(event["data"]["user"])
    return dict(figures) | {day: len(users) for day, users in active.items()}


def hourly_figures(record: Record) -> Iterator[str]:
    """The hourly figures in which the events of a record count, in the order of the events."""
    for event in _events([record]):
        yield from _hourly(event)


def _hourly(event: Any) -> Iterator[str]:
    hour = f"{datetime.fromisoformat(event['time']).astimezone(UTC):%Y-%m-%dT%H}"
    for metric in METRICS.values():
        if _counts(metric, event):
            dimensions = ",".join(f"{name}={event['data'][name]}" for name in metric.dimensions)
            yield f"{event['company']}|{metric.name}|PT1H|{hour}:00:00Z|{dimensions}"


def _events(records: Iterable[Record]) -> Iterator[Any]:
    for _, _, value in records:
        decoded = orjson.loads(value)
        yield from decoded if isinstance(decoded, list) else [decoded]


def _counts(metric: Metric, event: Any) -> bool:
    if metric.kind is not Kind.COUNT or WindowSize.HOUR not in metric.windows or metric.event_type != event["type"]:
        return False
    return metric.where is None or event["data"].get(metric.where[0]) == metric.where[1]


def _activates(event: Any) -> bool:
    if event["data"].get("user") is None:
        return False
    kind = EVENT_TYPES[event["type"]]
    return kind.activates(tuple(event["data"].get(name, "") for name in kind.allowed))
