"""A catalogue: the event types and metrics that one deployment counts; the built-in ones are part of every one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from schemas.catalogue.metrics import METRICS, Metric
from schemas.catalogue.types import EVENT_TYPES, EventType

__all__ = ["BUILT_IN", "Catalogue"]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Types and metrics by name, in the order in which they were declared; each catalogue equals itself alone."""

    types: Mapping[str, EventType] = field(default_factory=lambda: EVENT_TYPES)
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)

    @cached_property
    def accepted(self) -> Mapping[str, EventType]:
        """The types that are not retired."""
        return {name: entry for name, entry in self.types.items() if not entry.retired}

    def only(self, metrics: Iterable[str]) -> "Catalogue":
        """All of its types, and the metrics of these names."""
        return Catalogue(self.types, {name: self.metrics[name] for name in metrics})

    def facts(self) -> dict[str, Any]:
        """What of it decides a figure, as JSON takes it: no title, no number of a requirement."""
        return {
            "types": [entry.facts() for entry in self.types.values()],
            "metrics": [metric.facts() for metric in self.metrics.values()],
        }


BUILT_IN = Catalogue()
