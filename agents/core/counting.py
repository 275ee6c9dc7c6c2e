"""The second fold: clean chunks of one partition become figures by company, metric and window (design 2.1).

A pure function of the chunks: the state after a fence is the same however the chunks were cut or repeated.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agents.core.activity import Activity, pack_days, unpack_days, user_key
from agents.core.ahead import ahead_key, read_ahead, sliding_ends
from agents.core.company_bounds import CompanyBounds, Held
from agents.core.count_figures import Figures
from agents.core.count_plan import Plan, ShapePlan
from agents.core.count_state import Entry, StateError, alive, days_of, is_expired, name_of, payload
from agents.core.figure import Figure, Window
from agents.core.graves import Graves
from agents.core.joins import ENTRY_KEY, MARK, JoinedLog, seal
from agents.core.late import LateChanges
from agents.core.members import Members, member_key
from agents.core.records import LateChange, Part, StateWrite
from agents.core.slices import BATCH_COST, Slice, slices
from agents.core.store import Store, all_but
from agents.core.tally import Group, Tally, events_of
from agents.core.windows import day_of, month_start_day
from schemas.catalogue.metrics import WindowSize
from schemas.clean import CleanChunk
from schemas.deciding import Deciding
from schemas.limits import DAY_MS

__all__ = ["AggregateFold", "GapError"]

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
        self._store: Store | None = None
        self._graves = Graves(self.figures, self.members, self.activity, self.bounds)
        self._touched: dict[Figure, None] = {}
        self._written: dict[Figure, None] = {}
        """Touched without a change: made of what lay ahead."""
        self._ahead: dict[str, None] = {}
        self._users: dict[tuple[str, bytes], None] = {}
        self._members: list[tuple[Figure, bytes]] = []
        self._late = LateChanges()
        self._corrections: list[LateChange] = []
        self._row_bytes = 0

    # ---- restore

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take up joined state, in any order; returns the expired keys, which are not taken up.

        Figures are due at the sink again where they changed, closed or came to be shown after the last
        acknowledged emission. Raises :class:`agents.core.count_state.StateError`.
        """
        self.entry, found, expired = alive(items, self.deciding)
        self.figures.due_through = self.entry.emitted_closing_watermark
        self._restore_users(found)
        for key, value in found.items():
            if key[:1] == b"w":
                self.figures.restore_ahead(key[1:].decode(), *read_ahead(value))
        members = []
        for key, value in found.items():
            kind = key[:1]
            if kind == b"f" and isinstance(content := payload(value), list):
                self._restore_figure(key[1:].decode(), *content)
            elif kind == b"m":
                members.append(key)
            elif kind == b"x":
                self.bounds.restore(key[1:].decode(), value)
            elif kind not in {b"a", b"w"}:
                raise StateError("a key of no known kind")
        for key in members:
            self._restore_member(key)
        self.figures.show(self.entry)
        self._graves.add(expired)
        return expired

    def take_up(self, joined: JoinedLog) -> None:
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

    def _restore_users(self, found: Mapping[bytes, bytes]) -> None:
        """There may be a million: one loop, with each company looked up once a user and made once."""
        companies: dict[bytes, dict[bytes, int]] = {}
        for key, value in found.items():
            if key[:1] == b"a":
                company, user = key[1:].split(b"|", 1)
                users = companies.get(company)
                if users is None:
                    users = companies[company] = self.activity.users.setdefault(company.decode(), {})
                users[user] = unpack_days(*days_of(value))

    def _restore_figure(self, identity: str, value: int, last: int, corrected: bool) -> None:
        named = name_of(identity)
        if self.figures.take_ahead(named, value, last, self.entry.closing_watermark):
            return
        window = self.figures.window(named.company, self.plan.metrics[named.metric], named.size, named.anchor)
        figure = window.make(named.values)
        figure.value, figure.last, figure.corrected = value, last, corrected
        if last > self.entry.emitted_fence:
            self.figures.dirty[figure] = None

    def _restore_member(self, key: bytes) -> None:
        *parts, source = key[1:].split(b"|", 5)
        figure = self.figures.find(b"|".join(parts).decode())
        if figure is None:
            raise StateError("a source without its figure")
        self.members.restore(figure.id, source)

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

    def entry_write(self) -> StateWrite:
        """The partition's own entry, to be the last record of every batch."""
        return StateWrite(ENTRY_KEY, self.entry.write())

    @property
    def _rows(self) -> int:
        """Keys touched since the last part."""
        return (
            len(self._touched)
            + len(self._written)
            + len(self._members)
            + len(self._users)
            + len(self._ahead)
            + len(self.bounds.touched)
        )

    def _fold_events(self, chunk: CleanChunk, plans: Sequence[ShapePlan], part: Slice) -> None:
        self.bounds.reach(chunk.closings[part.begin])
        self._count(chunk, plans, part)
        self._activate(chunk, part.tally)
        self._install(chunk, plans, part.tally)
        self._corrections += self._late.settle(chunk)

    def _count(self, chunk: CleanChunk, plans: Sequence[ShapePlan], part: Slice) -> None:
        """Counts by company, shape and hour: of a group only its size and its last event matter.

        The closing watermark never falls, so where any event of a group came after closing its last did, and only
        then its single events are looked at. Groups come in the order of their first event, as ``max_series`` asks.
        """
        companies, offsets, closings = chunk.companies, chunk.offsets, chunk.closings
        figures_of, touched = self.figures.counted, self._touched
        late: list[tuple[Group, Figure]] = []
        for company, shape, hour, size, last in part.tally.counts:
            offset, closing = offsets[last], closings[last]
            for figure in figures_of(companies[company], hour, plans[shape].counts):
                if figure.change(size, offset, closing):
                    late.append(((company, shape, hour), figure))
                touched[figure] = None
        if late:
            events = events_of({group for group, _ in late}, chunk, part.begin, part.end)
            for group, figure in late:
                self._late.note(figure, events[group])

    def _activate(self, chunk: CleanChunk, tally: Tally) -> None:
        """New active days in raw order; changes of alike windows are added up before they are applied."""
        changes: dict[tuple[str, int, int, int, int], list[int]] = {}
        closings, touched = chunk.closings, self._touched
        for company, user, turn, at in self.activity.turns(tally.users, chunk.companies, chunk.users):
            self._users[company, user] = None
            changes.setdefault((company, day_of(closings[at]), *turn), []).append(at)
        for (name, reached, *days), turns in changes.items():
            by, offset, closing = len(turns), chunk.offsets[turns[-1]], closings[turns[-1]]
            for window in self._windows_of(name, reached, days, by, offset):
                figure = self.figures.figure(window, ())
                if figure.change(by, offset, closing):
                    self._late.note(figure, turns)
                touched[figure] = None

    def _windows_of(self, company: str, reached: int, days: Sequence[int], by: int, offset: int) -> Iterable[Window]:
        """Windows into which a new active day brings so many users; those that lie ahead are changed here.

        ``days`` are a turn of :mod:`agents.core.activity`, ``reached`` the day of the closing watermark.
        """
        day, before, after = days
        window = self.figures.window
        for metric, size in self.plan.tumbling:
            if size is WindowSize.DAY:
                yield window(company, metric, size, day * DAY_MS)
                continue
            month = month_start_day(day)
            if before < month and (after < 0 or month_start_day(after) != month):
                yield window(company, metric, size, month * DAY_MS)
        if self.plan.slides:
            ahead, made = self.figures.reach(company, max(reached, day), self.entry)
            self._written.update(dict.fromkeys(made))
            self._ahead[company] = None
            for place, (metric, size, length) in enumerate(self.plan.slides):
                ends = sliding_ends(length, day, before, after)
                ahead.add(place, ends, by, offset)
                for end in range(ends[0], min(ends[1], ahead.through + 1)):
                    yield window(company, metric, size, end * DAY_MS)

    def _install(self, chunk: CleanChunk, plans: Sequence[ShapePlan], tally: Tally) -> None:
        """Sources by company, shape and hour: of a group only its first event matters.

        A source joins all figures of its event or, where the company has no room for so many, none.
        """
        for company, shape, source, hour, at in tally.installs:
            targets, name = plans[shape].sources, chunk.companies[company]
            if not self.bounds.has_room_for_sources(name, targets.rows):
                continue
            for figure in self.figures.counted(name, hour, targets):
                if self._join_source(figure, chunk.sources[source], chunk.offsets[at], chunk.closings[at]):
                    self._late.note(figure, (at,))

    def _join_source(self, figure: Figure, source: bytes, offset: int, closing: int) -> bool:
        """Whether the source is new and found the window closed."""
        if self.members.has(figure.id, source):
            return False
        self.bounds.take(figure.window.company, figure.window.span.end, Held.SOURCES)
        self.members.add(figure.id, source)
        self._touched[figure] = None
        self._members.append((figure, source))
        return figure.change(1, offset, closing)

    # ---- state batch

    def _part(self) -> Part:
        corrections, self._corrections = self._corrections, []
        return Part(self._state_writes(), corrections)

    def _state_writes(self) -> list[StateWrite]:
        """What changed as one batch: every value with the present fence, some deletions, the entry last."""
        fence = self.entry.fence
        writes: dict[bytes, bytes | None] = {}
        for figure in (*self._touched, *self._written):
            writes[b"f" + figure.id] = seal(fence, (figure.value, figure.last, figure.corrected))
        nothing = seal(fence, None)
        for figure, source in self._members:
            writes[member_key(figure.id, source)] = nothing
        for company, user in self._users:
            writes[user_key(company, user)] = seal(fence, pack_days(self.activity.users[company][user]))
        for company in self._ahead:
            writes[ahead_key(company)] = self.figures.ahead[company].value(fence, self.plan.slides)
        writes.update(self.bounds.writes(fence))
        self.figures.dirty.update(self._touched)
        self._touched, self._written, self._members, self._users, self._ahead = {}, {}, [], {}, {}
        writes.update(dict.fromkeys(self._graves.bury(self.entry)))
        if self._store is not None:
            self._store.write((key, value) for key, value in writes.items() if key[:1] in _STORED)
            self.activity.settle(sum(key[:1] == b"a" and value is None for key, value in writes.items()))
            self.members.settle()
        found = [StateWrite(key, value) for key, value in writes.items()]
        found.append(self.entry_write())
        return found
