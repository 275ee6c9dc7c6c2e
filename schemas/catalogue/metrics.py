"""The metric catalogue: what is counted, of which events, in which windows (requirements T1 to T11).

A metric is one entry here; documents, agents, oracle and dashboards follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["METRICS", "MOST_KEYS", "Distinct", "Kind", "Metric", "WindowSize"]


MOST_KEYS = 14
"""Of the metrics of one type together, see :attr:`Metric.keys`: what a record of many events changes fits one batch."""


class WindowSize(StrEnum):
    """Windows in UTC, half-open: tumbling hours, days and calendar months; 7 and 30 days sliding by day."""

    HOUR = "PT1H"
    DAY = "P1D"
    MONTH = "P1M"
    WEEK_SLIDING = "P7D"
    MONTH_SLIDING = "P30D"

    @property
    def sliding_days(self) -> int | None:
        """The length of a sliding window in days; None for a tumbling one."""
        return {"P7D": 7, "P30D": 30}.get(self.value)


class Kind(StrEnum):
    """How a figure is made of events."""

    COUNT = "count"
    SUM = "sum"
    DISTINCT = "distinct"
    GAUGE = "gauge"
    DISTRIBUTION = "distribution"


class Distinct(StrEnum):
    """What a ``distinct`` metric counts."""

    USER = "active users"
    SOURCE = "sources"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``event_type`` None means every event that makes a user active; ``where`` is a (field, value) an event
    must have; ``dimensions`` are allowed fields of the type, in the order in which they are written.
    """

    name: str
    requirement: str
    title: str
    kind: Kind
    windows: tuple[WindowSize, ...]
    event_type: str | None = None
    where: tuple[str, str] | None = None
    distinct: Distinct | None = None
    dimensions: tuple[str, ...] = ()
    unit: str = "1"
    field: str | None = None
    """The field that a sum, gauge or distribution reads."""
    retired: bool = False
    """No longer counted; its figures stay known."""

    @property
    def keys(self) -> int:
        """How many keys of the state an event touches that has no dimension value and no source with others in common.

        Figures without dimensions are few; beside a figure each source, reading or bin of a distribution has a key.
        """
        beside = self.kind in {Kind.DISTINCT, Kind.GAUGE, Kind.DISTRIBUTION}
        return len(self.windows) * (bool(self.dimensions) + beside)

    def facts(self) -> dict[str, Any]:
        """What of it decides a figure, as JSON takes it."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "windows": [size.value for size in self.windows],
            "type": self.event_type,
            "where": self.where,
            "distinct": self.distinct and self.distinct.name,
            "dimensions": self.dimensions,
            "unit": self.unit,
            "field": self.field,
            "retired": self.retired,
        }


_COUNTED_IN = (WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH)


def _count(
    name: str,
    requirement: str,
    title: str,
    event_type: str,
    dimensions: tuple[str, ...] = (),
    where: tuple[str, str] | None = None,
) -> Metric:
    return Metric(name, requirement, title, Kind.COUNT, _COUNTED_IN, event_type, where, None, dimensions)


def _active(name: str, requirement: str, title: str, window: WindowSize) -> Metric:
    return Metric(name, requirement, title, Kind.DISTINCT, (window,), distinct=Distinct.USER)


def _installed(name: str, title: str, dimensions: tuple[str, ...]) -> Metric:
    windows = (WindowSize.DAY, WindowSize.MONTH)
    return Metric(name, "T11", title, Kind.DISTINCT, windows, "app.started", None, Distinct.SOURCE, dimensions)


_CATALOGUE = (
    _active("users", "T1", "distinct active users of the billing month", WindowSize.MONTH),
    _count("users_created", "T1", "user accounts made", "user.created"),
    _count("folders_created", "T2", "file folders made, by kind", "folder.created", ("kind",)),
    _count("groups_created", "T3", "groups made", "group.created"),
    _count("chats_created", "T4", "chats begun", "chat.created"),
    _count("spaces_created", "T5", "spaces made", "space.created"),
    _count("user_messages", "T6", "messages of people", "message.sent", where=("role", "user")),
    _count("assistant_messages", "T7", "messages of assistants", "message.sent", where=("role", "assistant")),
    _active("dau", "T8", "distinct active users of the day", WindowSize.DAY),
    _active("wau", "T8", "distinct active users of the trailing 7 days", WindowSize.WEEK_SLIDING),
    _active("mau", "T8", "distinct active users of the trailing 30 days", WindowSize.MONTH_SLIDING),
    _count("feedback", "T9", "judgements given, by sentiment", "feedback.given", ("sentiment",)),
    _count("prompts", "T10", "prompts, by assistant and module", "prompt.submitted", ("assistant", "module")),
    _installed("installations", "sources started, by what they run", ("application", "version", "environment")),
    _installed("active_installations", "sources started", ()),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _CATALOGUE}
"""Every metric by name, in catalogue order."""
