"""A figure counted again from the events of its company, in raw order; independent of the fold that made it."""

import json
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import NamedTuple

from agents.core.count.plan import Plan, Target
from pipeline.proof.explain.wanted import Wanted
from pipeline.proof.oracle.figures import Brought, making_of
from pipeline.proof.oracle.figures import Making as Figure
from schemas.catalogue.fields import ABSENT
from schemas.catalogue.metrics import Distinct
from schemas.deciding import Deciding
from schemas.limits import OTHER
from schemas.wire.clean import CleanChunk, Shape, measures_begin

__all__ = ["Counted", "FromClean", "Making", "Run", "merged"]


class Run(NamedTuple):
    """Raw offsets ``first`` to ``last`` with ``events`` that are in the figure."""

    first: int
    last: int
    events: int


class Counted(NamedTuple):
    """A counted event at a raw offset; ``measures`` are as in :class:`schemas.wire.clean.CleanChunk`."""

    offset: int
    time: int
    shape: Shape
    user: object | None
    source: object
    measures: Sequence[int]


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
        self._making = making_of(wanted.metric)
        self._later: Figure | None = None
        """With the events past ``through``."""
        self._known: set[tuple[str, ...]] = set()
        self._max_series = deciding.max_series
        self._plan = Plan(deciding.catalogue)

    @property
    def value(self) -> int:
        """The figure as of ``through``."""
        return self._making.value

    @property
    def members(self) -> dict[str, object]:
        """Its further members as of ``through``."""
        found: dict[str, object] = json.loads(f"{{{self._making.members.rstrip(',')}}}")
        return found

    def matches(self, time: int, shape: Shape, *, has_user: bool, counted: bool) -> bool:
        """Whether an event belongs to the figure; a ``counted`` one makes its combination of dimensions known."""
        target = self._target(time, shape, has_user=has_user)
        return target is not None and self._named(target.values, learn=counted) == self.wanted.values

    def _target(self, time: int, shape: Shape, *, has_user: bool) -> Target | None:
        """Where an event of the shape belongs, if its metric and window are those of the figure."""
        wanted = self.wanted
        if not wanted.start <= time < wanted.end:
            return None
        plan = self._plan.of(shape)
        if wanted.metric.distinct is Distinct.USER:
            return Target(wanted.metric, ()) if has_user and plan.active else None
        pairs = (plan.counts, plan.sums, plan.sources, plan.gauges, plan.distributions)
        return next((each for one in pairs for each in one.pairs if each.metric.name == wanted.metric.name), None)

    def _named(self, values: tuple[str, ...], *, learn: bool) -> tuple[str, ...]:
        if not values or values in self._known:
            return values
        if len(self._known) >= self._max_series:
            return (OTHER,) * len(values)
        if learn:
            self._known.add(values)
        return values

    def add(self, event: Counted) -> None:
        """A counted event of the company."""
        offset, time, shape, user, source, measures = event
        target = self._target(time, shape, has_user=user is not None)
        if target is None or self._named(target.values, learn=True) != self.wanted.values:
            return
        number = measures[target.place] if target.place >= 0 else ABSENT
        member = user if self.wanted.metric.distinct is Distinct.USER else source
        brought = Brought(member, target.values, time, None if number == ABSENT else number)
        if offset <= self.through:
            self._making.add(brought)
        elif self._changes_later(brought):
            self.pending += 1
            return
        self.events += 1
        last = self.runs[-1] if self.runs else None
        if last is not None and offset <= last.last + 1:
            self.runs[-1] = Run(last.first, offset, last.events + 1)
        else:
            self.runs.append(Run(offset, offset, 1))

    def _changes_later(self, brought: Brought) -> bool:
        """Whether an event past ``through`` changes what the figure is by then."""
        self._later = self._later or deepcopy(self._making)
        before = (self._later.value, self._later.readings)
        self._later.add(brought)
        return before != (self._later.value, self._later.readings)


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

    def add(self, append_time: int, chunk: CleanChunk) -> None:
        """The next chunk; what it repeats of those before is passed over."""
        if self.first < 0:
            self.first, self.time, self._fence = chunk.first, append_time, chunk.first - 1
        self.lost += max(0, chunk.first - self._fence - 1)
        if self._making.wanted.company in chunk.companies:
            self._enter(chunk, chunk.companies.index(self._making.wanted.company))
        self._fence = max(self._fence, chunk.last)

    def _enter(self, chunk: CleanChunk, company: int) -> None:
        begins = measures_begin(chunk)
        for at, offset in enumerate(chunk.offsets):
            if offset > self._fence and chunk.company[at] == company:
                user = None if chunk.user[at] < 0 else chunk.users[chunk.user[at]]
                source = chunk.sources[chunk.source[at]]
                measures = chunk.measures[begins[at] : begins[at + 1]] if begins else ()
                shape = chunk.shapes[chunk.shape[at]]
                self._making.add(Counted(offset, chunk.times[at], shape, user, source, measures))

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
