"""A figure counted again from the events of its company, in raw order; independent of the fold that made it."""

from itertools import pairwise
from typing import NamedTuple

from agents.core.count_plan import Plan
from pipeline.explain.wanted import Wanted
from schemas.catalogue.metrics import Distinct, Kind
from schemas.clean import CleanChunk, Shape
from schemas.deciding import Deciding
from schemas.limits import OTHER

__all__ = ["FromClean", "Making", "Run", "merged"]


class Run(NamedTuple):
    """Raw offsets ``first`` to ``last`` with ``events`` that are in the figure."""

    first: int
    last: int
    events: int


class Making:
    """Takes the counted events of the figure's company; ``through`` is the raw offset of the sink's last change.

    Users and sources are counted and never shown.
    """

    def __init__(self, wanted: Wanted, deciding: Deciding, through: int) -> None:
        self.wanted = wanted
        self.through = through
        self.events = 0
        self.pending = 0
        """Events past ``through`` that change the figure: the sink does not show them yet."""
        self.runs: list[Run] = []
        """Of all other events, each run where the offset does not follow on the one before."""
        self._members: set[object] = set()
        self._known: set[tuple[str, ...]] = set()
        self._max_series = deciding.max_series
        self._plan = Plan(deciding.catalogue)

    @property
    def value(self) -> int:
        """The figure as of ``through``."""
        return len(self._members) if self.wanted.metric.kind is Kind.DISTINCT else self.events

    def matches(self, time: int, shape: Shape, *, has_user: bool, counted: bool) -> bool:
        """Whether an event belongs to the figure; a ``counted`` one makes its combination of dimensions known."""
        wanted = self.wanted
        if not wanted.start <= time < wanted.end:
            return False
        plan, name = self._plan.of(shape), wanted.metric.name
        if wanted.metric.distinct is Distinct.USER:
            return has_user and plan.active
        values = next(
            (values for metric, values in (*plan.counts.pairs, *plan.sources.pairs) if metric.name == name), None
        )
        return values is not None and self._named(values, learn=counted) == wanted.values

    def _named(self, values: tuple[str, ...], *, learn: bool) -> tuple[str, ...]:
        if not values or values in self._known:
            return values
        if len(self._known) >= self._max_series:
            return (OTHER,) * len(values)
        if learn:
            self._known.add(values)
        return values

    def take(self, offset: int, time: int, shape: Shape, user: object | None, source: object) -> None:
        """A counted event of the company, at raw ``offset``."""
        if not self.matches(time, shape, has_user=user is not None, counted=True):
            return
        member = user if self.wanted.metric.distinct is Distinct.USER else source
        changes = self.wanted.metric.kind is not Kind.DISTINCT or member not in self._members
        if changes and offset > self.through:
            self.pending += 1
            return
        self.events += 1
        self._members.add(member)
        last = self.runs[-1] if self.runs else None
        if last is not None and offset <= last.last + 1:
            self.runs[-1] = Run(last.first, offset, last.events + 1)
        else:
            self.runs.append(Run(offset, offset, 1))


class FromClean:
    """Feeds the chunks of one partition, in the order of their topic, to a :class:`Making`.

    ``first`` is the first raw offset of the first of them and ``time`` its append time in ms, both -1 before it;
    ``lost`` counts the raw offsets behind that which no chunk holds, such as those of a gap an operator accepted.
    """

    def __init__(self, making: Making) -> None:
        self.first = -1
        self.time = -1
        self.lost = 0
        self._making = making
        self._fence = -1

    def take(self, append_time: int, chunk: CleanChunk) -> None:
        """The next chunk; what it repeats of those before is passed over."""
        if self.first < 0:
            self.first, self.time, self._fence = chunk.first, append_time, chunk.first - 1
        self.lost += max(0, chunk.first - self._fence - 1)
        if self._making.wanted.company in chunk.companies:
            self._enter(chunk, chunk.companies.index(self._making.wanted.company))
        self._fence = max(self._fence, chunk.last)

    def _enter(self, chunk: CleanChunk, company: int) -> None:
        for at, offset in enumerate(chunk.offsets):
            if offset > self._fence and chunk.company[at] == company:
                user = None if chunk.user[at] < 0 else chunk.users[chunk.user[at]]
                source = chunk.sources[chunk.source[at]]
                self._making.take(offset, chunk.times[at], chunk.shapes[chunk.shape[at]], user, source)

    def is_whole(self, clock_ahead: int) -> bool:
        """Whether every event that can be in the figure is in these chunks.

        One in an earlier chunk was appended before them, and was at most ``clock_ahead`` ms ahead of that.
        """
        begun_before = 0 <= self.time < self._making.wanted.start - clock_ahead
        return not self.lost and (self.first == 0 or begun_before)


def merged(runs: list[Run], limit: int) -> list[Run]:
    """At most ``limit`` runs, parted where the gaps are widest."""
    gaps = sorted(range(1, len(runs)), key=lambda at: runs[at - 1].last - runs[at].first)
    cuts = [0, *sorted(gaps[: limit - 1]), len(runs)]
    groups = [runs[begin:end] for begin, end in pairwise(cuts) if begin < end]
    return [Run(group[0].first, group[-1].last, sum(run.events for run in group)) for group in groups]
