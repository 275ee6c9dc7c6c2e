"""The second fold: clean chunks of one partition become figures by company, metric and window (design 2.1).

A pure function of the chunks: the state after a fence is the same however the chunks were cut or repeated.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from agents.core.count.batches import BATCH_COST, Slice, slices
from agents.core.count.company_bounds import CompanyBounds
from agents.core.count.expiry import Tombstones
from agents.core.count.figure import Figure
from agents.core.count.figures import Figures
from agents.core.count.kinds.active_users import ActiveUsers
from agents.core.count.kinds.activity import Activity
from agents.core.count.kinds.additive import Additive
from agents.core.count.kinds.detail import detail_of
from agents.core.count.kinds.distinct_sources import DistinctSources
from agents.core.count.kinds.distributions import Distributions
from agents.core.count.kinds.gauges import Gauges
from agents.core.count.kinds.members import Members
from agents.core.count.kinds.part import Changes, KindPart, Stretch
from agents.core.count.pending_windows import read_pending
from agents.core.count.plan import Plan, ShapePlan
from agents.core.count.state import (
    Entry,
    StateError,
    alive,
    identity_in,
    is_expired,
    name_of,
    read_figure,
    read_nothing,
)
from agents.core.shared.joins import ENTRY_KEY, MARK, JoinedLog, seal
from agents.core.shared.records import LateChange, Part, StateWrite
from agents.core.shared.store import Store, all_but
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.wire.clean import CleanChunk, measures_begin

__all__ = ["AggregateFold", "GapError"]

_USERS, _BESIDE = (b"a", b"w"), (b"d", b"g", b"m")
"""Kinds of keys: of users, and of what is held beside figures."""
_STORED = (b"a", b"m")
"""Kinds of keys that stay in a store, where there is one: there are as many as people and sources."""


class GapError(Exception):
    """Events between the fence and the next chunk are lost; offsets are raw ones."""

    def __init__(self, partition: int, fence: int, first: int) -> None:
        super().__init__(f"partition {partition}: events lost between raw offsets {fence} and {first}")
        self.partition = partition
        self.fence = fence
        self.first = first


class AggregateFold:
    """The state of one clean partition; nothing else writes it."""

    def __init__(self, deciding: Deciding, partition: int) -> None:
        self.deciding = deciding
        self.partition = partition
        self.entry = Entry(partitions=deciding.partitions)
        self.folded = 0
        """Events that this object has folded."""
        self.plan = Plan(deciding.catalogue)
        self.bounds = CompanyBounds(deciding)
        self.figures = Figures(deciding, self.plan.slides, self.bounds)
        self.activity = Activity(deciding, self.bounds)
        self.members = Members()
        self._changes = Changes()
        self.gauges = Gauges(self.figures, self._changes, self.bounds)
        self.distributions = Distributions(self.figures, self._changes)
        self._store: Store | None = None
        self._tombstones = Tombstones(self)
        self._users = ActiveUsers(self.figures, self._changes, self.activity, self.plan, self.entry)
        self._sources = DistinctSources(self.figures, self._changes, self.members, self.bounds)
        additive = Additive(self.figures, self._changes)
        self._kinds: tuple[KindPart, ...] = (additive, self._users, self._sources, self.gauges, self.distributions)
        """In the order in which they are folded."""
        self._corrections: list[LateChange] = []
        self._row_bytes = 0

    # ---- restore

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take up joined state, in any order; returns the expired keys, which are not taken up.

        Figures are due at the sink again where they changed, closed or came to be shown after the last
        acknowledged emission. Raises :class:`agents.core.count.state.StateError`.
        """
        self.entry, found, expired = alive(items, self.deciding)
        self._users.entry = self.entry
        self.figures.due_through = self.entry.emitted_closing_watermark
        self._users.restore(found)
        for key, value in found.items():
            if key[:1] == b"w":
                self.figures.restore_pending(key[1:].decode(), *read_pending(value))
        beside = []
        for key, value in found.items():
            kind = key[:1]
            if kind == b"f":
                self._restore_figure(key[1:].decode(), *read_figure(value))
            elif kind in _BESIDE:
                beside.append((key, value))
            elif kind == b"x":
                self.bounds.restore(key[1:].decode(), value)
            elif kind not in _USERS:
                raise StateError("a key of no known kind")
        for key, value in beside:
            self._restore_beside(key, value)
        self._require_whole()
        self.figures.show(self.entry)
        self._tombstones.add(expired)
        return expired

    def restore_from(self, joined: JoinedLog) -> None:
        """As :meth:`restore`; users and sources stay in the store, where the joined state has one."""
        if joined.store is None:
            self.restore(joined.items())
            return
        if len(joined) and joined.get(ENTRY_KEY) is None:
            raise StateError("state without the partition's entry")
        self._store = joined.store
        self.restore(all_but(joined.store, (*_STORED, MARK)))
        self.activity.attach(joined.store, joined.count(b"a"))
        self.members.attach(joined.store, lambda figure: self.figures.find(figure.decode()) is not None)

    def is_dead(self, key: bytes, value: bytes) -> bool:
        """Whether a key of the joined state has expired."""
        return is_expired(key, value, self.entry, self.deciding)

    def _restore_figure(self, identity: str, value: int, last: int, corrected: bool, more: tuple[int, ...]) -> None:
        named = name_of(identity)
        if self.figures.add_pending(named, value, last, self.entry.closing_watermark):
            return
        metric = self.plan.metrics.get(named.metric)
        if metric is None:
            raise StateError("there are figures of a metric that the catalogue does not know")
        figure = self.figures.window(named.company, metric, named.size, named.anchor).make(named.values)
        figure.value, figure.last, figure.corrected = value, last, corrected
        figure.detail = detail_of(metric.kind, more)
        if last > self.entry.emitted_fence:
            self.figures.dirty[figure] = None

    def _require_whole(self) -> None:
        """Refuse figures of which what is held beside them is not all there."""
        held = {metric.kind for metric in self.plan.metrics.values()}
        if not held & {Kind.GAUGE, Kind.DISTRIBUTION}:
            return
        for window in self.figures.windows.values():
            if window.metric.kind in {Kind.GAUGE, Kind.DISTRIBUTION}:
                part = self.gauges if window.metric.kind is Kind.GAUGE else self.distributions
                if not all(part.is_whole(figure) for figure in window.figures()):
                    raise StateError("a figure without all that it is made of")

    def _restore_beside(self, key: bytes, value: bytes) -> None:
        """Take up a key of what is held beside figures that are there."""
        if key[:1] == b"d":
            self.distributions.restore(key, value)
        elif (figure := self.figures.find(identity_in(key))) is None and key[:1] == b"m":
            raise StateError("a source without its figure")
        elif key[:1] == b"g":
            self.gauges.restore(key, value)
        elif figure is not None:
            read_nothing(value)
            self.members.restore(figure.id, key[1:].split(b"|", 5)[5])

    # ---- fold

    def fold(self, chunks: Iterable[tuple[int, CleanChunk]], *, accept_gap: bool = False) -> Iterator[Part]:
        """Fold (clean offset, chunk) pairs in their order; yields state batches with their corrections.

        Both are to be on their logs before the next are asked for. Events at or below the fence have been folded and
        are skipped. Raises :class:`GapError`, before anything of that chunk is folded, where a chunk begins past
        the fence + 1, unless ``accept_gap``; the fold is then no longer to be used.
        """
        entry = self.entry
        for clean_offset, chunk in chunks:
            if chunk.first > entry.fence + 1 and not accept_gap:
                raise GapError(self.partition, entry.fence, chunk.first)
            if chunk.last > entry.fence:
                plans = [self.plan.of(shape) for shape in chunk.shapes]
                begin = bisect_right(chunk.offsets, entry.fence)
                for part in slices(chunk, begin, plans, self.plan):
                    self._row_bytes = max(self._row_bytes, part.row_bytes)
                    if self._rows and (self._rows + part.rows) * self._row_bytes > BATCH_COST:
                        yield self._part()
                        self._row_bytes = part.row_bytes
                    self._fold_events(chunk, plans, part)
                    self.folded += part.end - part.begin
                    if part.end < len(chunk.offsets):  # up to before the record of the next event
                        entry.fence = chunk.offsets[part.end] - 1
                        entry.closing_watermark = max(entry.closing_watermark, chunk.closings[part.end])
                entry.fence = chunk.last
                entry.follow(chunk)
                entry.event_watermark = max(entry.event_watermark, chunk.event_watermark)
                entry.closing_watermark = max(entry.closing_watermark, chunk.closing_watermark)
            entry.clean_next = max(entry.clean_next, clean_offset + 1)
        yield self._part()

    def beside(self, figure: Figure, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """What the state holds of a figure beside it, at a fence."""
        parts: dict[Kind, DistinctSources | Gauges | Distributions] = {
            Kind.DISTINCT: self._sources,
            Kind.GAUGE: self.gauges,
            Kind.DISTRIBUTION: self.distributions,
        }
        part = parts.get(figure.window.metric.kind)
        return iter(()) if part is None else part.of(figure, fence)

    def entry_write(self) -> StateWrite:
        """The partition's own entry, to be the last record of every batch."""
        return StateWrite(ENTRY_KEY, self.entry.write())

    @property
    def _rows(self) -> int:
        """Keys touched since the last part."""
        return self._changes.rows + sum(kind.rows for kind in self._kinds) + len(self.bounds.touched)

    def _fold_events(self, chunk: CleanChunk, plans: Sequence[ShapePlan], part: Slice) -> None:
        self.bounds.reach(chunk.closings[part.begin])
        stretch = Stretch(chunk, plans, part, measures_begin(chunk))
        for kind in self._kinds:
            kind.fold(stretch)
        self._corrections += self._changes.late.settle(chunk)

    # ---- state batch

    def _part(self) -> Part:
        corrections, self._corrections = self._corrections, []
        return Part(self._state_writes(), corrections)

    def _state_writes(self) -> list[StateWrite]:
        """What changed as one batch: every value with the present fence, some deletions, the entry last."""
        fence, changes = self.entry.fence, self._changes
        writes: dict[bytes, bytes | None] = {}
        for figure in (*changes.touched, *changes.written):
            writes[b"f" + figure.id] = seal(fence, figure.state())
        for kind in self._kinds:
            writes.update(kind.writes(fence))
        writes.update(self.bounds.writes(fence))
        self.figures.dirty.update(changes.touched)
        changes.touched, changes.written = {}, {}
        writes.update(dict.fromkeys(self._tombstones.next_batch(self.entry)))
        if self._store is not None:
            self._store.write((key, value) for key, value in writes.items() if key[:1] in _STORED)
            self.activity.settle(sum(key[:1] == b"a" and value is None for key, value in writes.items()))
            self.members.settle()
        found = [StateWrite(key, value) for key, value in writes.items()]
        found.append(self.entry_write())
        return found
