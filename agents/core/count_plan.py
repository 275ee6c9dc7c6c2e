"""Which metrics an event belongs to, worked out once for each shape from the catalogue."""

from dataclasses import dataclass

from agents.core.ahead import Slide
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.metrics import Distinct, Kind, Metric, WindowSize
from schemas.clean import Shape

__all__ = ["CatalogueError", "Plan", "ShapePlan", "Targets"]

_MOST_SHAPES = 100_000
"""Shapes remembered before the memory is begun anew: producers choose the values in them."""

Target = tuple[Metric, tuple[str, ...]]
"""A metric and the values of its dimensions."""


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
        return sum(len(metric.windows) for metric, _ in self.pairs)


@dataclass(frozen=True, slots=True)
class ShapePlan:
    """Whether a user of the event was active, the counts it belongs to, the metrics that count its source.

    ``untold`` names the metrics of which the shape does not tell whether or where the event belongs: it was written
    when fewer fields of its type were allowed. Shapes of the catalogue in force leave nothing untold.
    """

    active: bool
    counts: Targets
    sources: Targets
    untold: frozenset[str] = frozenset()


class Plan:
    """The catalogue sorted by how its metrics are folded; raises :class:`CatalogueError`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.users: list[Metric] = []
        self.slides: list[Slide] = []
        """Of users, in the order of the catalogue."""
        self.tumbling: list[tuple[Metric, WindowSize]] = []
        """Of users, by the day or longer."""
        self.metrics: dict[str, Metric] = {}
        self._counts: dict[str, list[Metric]] = {}
        self._sources: dict[str, list[Metric]] = {}
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
        elif kind is Kind.DISTINCT and distinct is Distinct.SOURCE and on is not None and not sliding:
            self._sources.setdefault(on, []).append(metric)
        elif kind is Kind.COUNT and on is not None and not sliding:
            self._counts.setdefault(on, []).append(metric)
        else:
            raise CatalogueError(f"{metric.name}: no fold for this kind with these windows, events and dimensions")

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
        untold: set[str] = set()

        def targets(metrics: list[Metric]) -> Targets:
            found = []
            for metric in metrics:
                if metric.where is not None and fields.get(metric.where[0], metric.where[1]) != metric.where[1]:
                    continue
                if needed(metric) <= fields.keys():
                    found.append((metric, tuple(fields[name] for name in metric.dimensions)))
                else:
                    untold.add(metric.name)
            return Targets(tuple(found))

        decided = not isinstance(entry.passive, tuple) or entry.passive[0] in fields
        if not decided:
            untold.update(metric.name for metric in self.users)
        return ShapePlan(
            bool(self.users) and decided and entry.activates(shape.values),
            targets(self._counts.get(shape.type, [])),
            targets(self._sources.get(shape.type, [])),
            frozenset(untold),
        )


def needed(metric: Metric) -> set[str]:
    """The fields of its event type that a metric reads."""
    return {*metric.dimensions, *(() if metric.where is None else metric.where[:1])}
