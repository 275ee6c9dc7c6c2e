"""The figure that is to be explained, from its id."""

import re
from dataclasses import dataclass

from agents.core.count.state import StateError, name_of
from pipeline.errors import StartupError
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.metrics import Metric, WindowSize
from schemas.limits import COMPANY_PATTERN
from schemas.times import bounds, start_of
from schemas.wire.aggregates import aggregate_id, dimensions_text

__all__ = ["EXAMPLE", "Wanted", "parse_id"]

EXAMPLE = "acme|prompts|PT1H|2026-11-01T10:00:00Z|assistant=a1,module=m2"
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure by its id; ``start`` and ``end`` are its window in ms, half-open."""

    id: str
    company: str
    metric: Metric
    size: WindowSize
    start: int
    end: int
    values: tuple[str, ...]


def parse_id(text: str, catalogue: Catalogue) -> Wanted:
    """The figure that ``text`` names; refuses what is no aggregate id, and says how one looks."""
    try:
        named = name_of(text)
    except (StateError, OverflowError):
        raise _no_id(text, "an id is company|metric|window|start|dimensions") from None
    metric = catalogue.metrics.get(named.metric)
    if metric is None:
        raise _no_id(text, f"its metric is none of {', '.join(catalogue.metrics)}")
    if named.size not in metric.windows:
        raise _no_id(text, f"{metric.name} has the windows {', '.join(metric.windows)}")
    if not re.fullmatch(COMPANY_PATTERN, named.company):
        raise _no_id(text, "its company is no company's name")
    if len(named.values) != len(metric.dimensions):
        raise _no_id(text, f"{metric.name} has {_dimensions(metric)}")
    try:
        start, end = bounds(named.size, named.anchor)
        canonical = aggregate_id(
            named.company, metric.name, named.size, start, dimensions_text(metric.dimensions, named.values)
        )
        begins = start_of(named.size, named.anchor) == named.anchor
    except (ValueError, OverflowError):
        begins, canonical = False, ""
    if not begins:
        raise _no_id(text, f"no window {named.size} begins then")
    if canonical != text:
        raise _no_id(text, f"{metric.name} has {_dimensions(metric)}, and times are as in the example")
    return Wanted(text, named.company, metric, named.size, start, end, named.values)


def _dimensions(metric: Metric) -> str:
    return f"the dimensions {', '.join(metric.dimensions)}" if metric.dimensions else "no dimensions"


def _no_id(text: str, why: str) -> StartupError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return StartupError(f"{shown!r} is no aggregate id", f"{why}; for example '{EXAMPLE}', in quotes")
