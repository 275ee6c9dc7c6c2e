"""Which metrics an event belongs to, worked out once for each shape from the catalogue."""

from dataclasses import dataclass
from typing import NamedTuple

from agents.core.count.pending_windows import Slide
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.metrics import Distinct, Kind, Metric, WindowSize
from schemas.wire.clean import Shape

__all__ = ["CatalogueError", "Plan", "ShapePlan", "Target", "Targets"]

_MOST_SHAPES = 100_000
"""Shapes remembered before the memory is begun anew: producers choose the values in them."""


class Target(NamedTuple):
    """A metric with the values of its dimensions; ``place`` is that of its field among the measures, -1 without one."""

    metric: Metric
    values: tuple[str, ...]
    place: int = -1


class CatalogueError(ValueError):
    """A metric of a kind that this fold cannot make."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Where events of a shape belong; each is its own, and may be a key."""

    pairs: tuple[Target, ...]

    def __bool__(self) -> bool:
        return bool(self.pairs)

    @property
    def rows(self) -> int:
        """How many figures of one hour they name."""
        return sum(len(target.metric.windows) for target in self.pairs)

    @property
    def places(self) -> list[int]:
        """The place of the field that each of those figures reads."""
        return [target.place for target in self.pairs for _ in target.metric.windows]


@dataclass(frozen=True, slots=True)
class ShapePlan:
    """Whether a user of the event was active, and the metrics that it belongs to, by how they are folded.

    ``incomplete`` names the metrics of which the shape does not tell whether or where the event belongs: it was written
    when fewer fields of its type were allowed. Shapes of the catalogue in force leave nothing incomplete.
    """

    active: bool
    counts: Targets
    sums: Targets
    sources: Targets
    gauges: Targets
    distributions: Targets
    incomplete: frozenset[str] = frozenset()


class Plan:
    """The catalogue sorted by how its metrics are folded; raises :class:`CatalogueError`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.users: list[Metric] = []
        self.slides: list[Slide] = []
        """Of users, in the order of the catalogue."""
        self.tumbling: list[tuple[Metric, WindowSize]] = []
        """Of users, by the day or longer."""
        self.metrics: dict[str, Metric] = {}
        self._of_type: dict[tuple[str, Kind], list[Metric]] = {}
        self._shapes: dict[Shape, ShapePlan] = {}
        self._types = catalogue.types
        for metric in catalogue.metrics.values():
            self.metrics[metric.name] = metric
            self._sort(metric)

    def _sort(self, metric: Metric) -> None:
        sliding = any(size.sliding_days is not None for size in metric.windows)
        kind, distinct, on = metric.kind, metric.distinct, metric.event_type
        if kind is Kind.DISTINCT and distinct is Distinct.USER and on is None and not metric.dimensions:
            if any(size.value == "PT1H" for size in metric.windows):
                raise CatalogueError(f"{metric.name}: users are known by the day")
            self.users.append(metric)
            for size in metric.windows:
                if size.sliding_days is None:
                    self.tumbling.append((metric, size))
                else:
                    self.slides.append(Slide(metric, size, size.sliding_days))
        elif on is not None and not sliding and distinct is not Distinct.USER and self._reads(metric):
            if not metric.retired:
                self._of_type.setdefault((on, kind), []).append(metric)
        else:
            raise CatalogueError(f"{metric.name}: no fold for this kind with these windows, events and dimensions")

    def _reads(self, metric: Metric) -> bool:
        """Whether the metric has a field where its kind reads one, and none where not."""
        if metric.kind in {Kind.COUNT, Kind.DISTINCT}:
            return metric.field is None
        return metric.field in self._types[metric.event_type or ""].measured

    def user_rows(self, days_open: int) -> int:
        """How many figures users of one company and day can touch, where the last figure is of a day so much later."""
        return len(self.tumbling) + sum(min(slide.days, days_open + 1) for slide in self.slides)

    @property
    def company_rows(self) -> int:
        """How many keys a company with a new active day can touch beside: what lay ahead, and figures made of it."""
        return bool(self.slides) + sum(slide.days - 1 for slide in self.slides)

    def of(self, shape: Shape) -> ShapePlan:
        """The plan of a shape; raises KeyError for a type outside the catalogue."""
        found = self._shapes.get(shape)
        if found is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            found = self._shapes[shape] = self._work_out(shape)
        return found

    def _work_out(self, shape: Shape) -> ShapePlan:
        entry = self._types[shape.type]
        # Allowed fields are only ever added at the end, so of an older shape those that it lacks are the last.
        fields = dict(zip(entry.allowed[: len(shape.values)], shape.values, strict=True))
        incomplete: set[str] = set()

        def targets(kind: Kind) -> Targets:
            found = []
            for metric in self._of_type.get((shape.type, kind), ()):
                if metric.where is not None and fields.get(metric.where[0], metric.where[1]) != metric.where[1]:
                    continue
                place = -1 if metric.field is None else entry.measured.index(metric.field)
                if needed(metric) <= fields.keys() and place < shape.measures:
                    found.append(Target(metric, tuple(fields[name] for name in metric.dimensions), place))
                else:
                    incomplete.add(metric.name)
            return Targets(tuple(found))

        decided = not isinstance(entry.passive, tuple) or entry.passive[0] in fields
        if not decided:
            incomplete.update(metric.name for metric in self.users)
        active = bool(self.users) and decided and entry.activates(shape.values)
        return ShapePlan(
            active,
            counts=targets(Kind.COUNT),
            sums=targets(Kind.SUM),
            sources=targets(Kind.DISTINCT),
            gauges=targets(Kind.GAUGE),
            distributions=targets(Kind.DISTRIBUTION),
            incomplete=frozenset(incomplete),
        )


def needed(metric: Metric) -> set[str]:
    """The dimensions of its event type that a metric reads."""
    return {*metric.dimensions, *(() if metric.where is None else metric.where[:1])}
