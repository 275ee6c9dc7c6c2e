"""The second fold: clean chunks of one partition become figures by company, metric and window (design 2.1).

A pure function of the chunks: the state after a fence is the same however the chunks were cut or repeated.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping

from agents.core.activity import Activity, pack_days, unpack_days, user_key
from agents.core.count_figures import Figure, Figures, Window
from agents.core.count_plan import Plan, Target
from agents.core.count_state import Entry, StateError, alive, days_of, is_expired, name_of, payload
from agents.core.joins import ENTRY_KEY, MARK, JoinedLog, seal
from agents.core.late import LateChanges
from agents.core.members import Members, member_key
from agents.core.records import LateChange, Part, StateWrite
from agents.core.slices import BATCH_COST, slices
from agents.core.store import Store, all_but
from agents.core.windows import anchor_of, month_start_day
from schemas.clean import CleanChunk
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.metrics import Distinct, Metric, WindowSize

__all__ = ["AggregateFold", "GapError"]

_MOST_GRAVES = 1000
"""Keys deleted with one chunk at most."""
_MOST_SWEPT = 4000
"""Users looked at for expiry with one chunk at most."""
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

    def __init__(self, deciding: Deciding, partition: int, metrics: Iterable[Metric] | None = None) -> None:
        self.deciding = deciding
        self.partition = partition
        self.entry = Entry()
        self.folded = 0
        """Events that this object has folded."""
        self.plan = Plan(metrics)
        self.figures = Figures(deciding)
        self.activity = Activity(deciding)
        self.members = Members()
        self._store: Store | None = None
        self._graves: deque[bytes] = deque()
        self._touched: dict[Figure, None] = {}
        self._writes: dict[bytes, bytes | None] = {}
        self._users: dict[tuple[str, bytes], None] = {}
        self._members: list[tuple[Figure, bytes]] = []
        self._late = LateChanges()
        self._corrections: list[LateChange] = []

    # ---- restore

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take up joined state, in any order; returns the expired keys, which are not taken up.

        Figures are due at the sink again where they changed, closed or came to be shown after the last
        acknowledged emission. Raises :class:`agents.core.count_state.StateError`.
        """
        self.entry, found, expired = alive(items, self.deciding)
        self.figures.due_through = self.entry.emitted_closing_watermark
        self._restore_users(found)
        members = []
        for key, value in found.items():
            kind = key[:1]
            if kind == b"f" and isinstance(content := payload(value), list):
                self._restore_figure(key[1:].decode(), *content)
            elif kind == b"m":
                members.append(key)
            elif kind != b"a":
                raise StateError("a key of no known kind")
        for key in members:
            self._restore_member(key)
        self._graves.extend(expired)
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
        window = self.figures.window(named.company, self.plan.metrics[named.metric], named.size, named.anchor)
        figure = self.figures.make(window, named.values)
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
        entry, held = self.entry, 0
        for clean_offset, chunk in chunks:
            if chunk.first > entry.fence + 1 and not accept_gap:
                raise GapError(self.partition, entry.fence, chunk.first)
            if chunk.last > entry.fence:
                hours = [time // HOUR_MS for time in chunk.times]
                for begin, end, cost in slices(chunk, bisect_right(chunk.offsets, entry.fence), self.plan):
                    if held and held + cost > BATCH_COST:
                        yield self._part()
                        held = 0
                    self._fold_events(chunk, hours[:end], begin)
                    held += cost
                    self.folded += end - begin
                    if end < len(chunk.offsets):  # up to before the record of the next event
                        entry.fence = chunk.offsets[end] - 1
                        entry.closing_watermark = max(entry.closing_watermark, chunk.closings[end])
                entry.fence = chunk.last
                entry.event_watermark = max(entry.event_watermark, chunk.event_watermark)
                entry.closing_watermark = max(entry.closing_watermark, chunk.closing_watermark)
            entry.clean_next = max(entry.clean_next, clean_offset + 1)
        yield self._part()

    def entry_write(self) -> StateWrite:
        """The partition's own entry, to be the last record of every batch."""
        return StateWrite(ENTRY_KEY, self.entry.write())

    def _fold_events(self, chunk: CleanChunk, hours: list[int], begin: int) -> None:
        """The events from index ``begin`` on of which ``hours`` tells."""
        plans = [self.plan.of(shape) for shape in chunk.shapes]
        self._count(chunk, hours, begin)
        if any(plan.active for plan in plans):
            self._activate(chunk, hours, begin, [plan.active for plan in plans])
        if any(plan.sources for plan in plans):
            self._install(chunk, hours, begin, [bool(plan.sources) for plan in plans])
        self._corrections += self._late.settle(chunk)

    def _count(self, chunk: CleanChunk, hours: list[int], begin: int) -> None:
        """Counts by (company, shape, hour): of a group only its size and its last event matter.

        The closing watermark never falls, so where any event of a group came after closing its last did, and only
        then its single events are looked at. Groups come in the order of their first event, as ``max_series`` asks.
        """
        shapes, companies = len(chunk.shapes), len(chunk.companies)
        end = len(hours)
        columns = zip(hours[begin:], chunk.shape[begin:end], chunk.company[begin:end], strict=True)
        groups = [(hour * shapes + shape) * companies + company for hour, shape, company in columns]
        sizes = Counter(groups)
        lasts = dict(zip(groups, range(begin, end), strict=True))
        late: dict[int, tuple[Figure, ...]] = {}
        for group, last in lasts.items():
            rest, company = divmod(group, companies)
            hour, shape = divmod(rest, shapes)
            counts = self.plan.of(chunk.shapes[shape]).counts
            if counts:
                facts = (sizes[group], chunk.offsets[last], chunk.closings[last])
                corrected = self._add(chunk.companies[company], hour * HOUR_MS, counts, facts)
                if corrected:
                    late[group] = corrected
        if late:
            events: dict[int, list[int]] = {group: [] for group in late}
            for at, group in enumerate(groups, begin):
                if group in late:
                    events[group].append(at)
            for group, figures in late.items():
                for figure in figures:
                    self._late.note(figure, events[group])

    def _add(
        self, company: str, time: int, counts: tuple[Target, ...], facts: tuple[int, int, int]
    ) -> tuple[Figure, ...]:
        """The figures whose windows the last event found closed."""
        figures, touched = self.figures, self._touched
        late: tuple[Figure, ...] = ()
        for metric, values in counts:
            for size in metric.windows:
                window = figures.window(company, metric, size, anchor_of(size, time))
                figure = figures.figure(window, values)
                if figure.change(*facts):
                    late += (figure,)
                touched[figure] = None
        return late

    def _activate(self, chunk: CleanChunk, hours: list[int], begin: int, active: list[bool]) -> None:
        """New active days in raw order; changes of alike windows are added up before they are applied."""
        users, companies = len(chunk.users), len(chunk.companies)
        end = len(hours)
        columns = zip(
            hours[begin:], chunk.shape[begin:end], chunk.user[begin:end], chunk.company[begin:end], strict=True
        )
        days = [
            (hour // 24 * users + user) * companies + company if user >= 0 and active[shape] else -1
            for hour, shape, user, company in columns
        ]
        days.reverse()
        firsts = dict(zip(days, range(end - 1, begin - 1, -1), strict=True))
        firsts.pop(-1, None)
        changes: dict[tuple[str, int, int, int], list[int]] = {}
        for at in sorted(firsts.values()):
            company, user = chunk.companies[chunk.company[at]], chunk.users[chunk.user[at]]
            turn = self.activity.turn(company, user, hours[at] // 24)
            if turn is not None:
                self._users[company, user] = None
                changes.setdefault((company, *turn), []).append(at)
        for (company, day, before, after), turns in changes.items():
            by, offset, closing = len(turns), chunk.offsets[turns[-1]], chunk.closings[turns[-1]]
            for window in self._windows_of(company, day, before, after):
                figure = self.figures.figure(window, ())
                if figure.change(by, offset, closing):
                    self._late.note(figure, turns)
                self._touched[figure] = None

    def _windows_of(self, company: str, day: int, before: int, after: int) -> Iterable[Window]:
        """Windows into which ``day`` brings a user whose active days next to it are ``before`` and ``after``."""
        for metric in self.plan.users:
            for size in metric.windows:
                length = size.sliding_days
                if length is not None:
                    last = day + length - 1 if after < 0 else min(day + length - 1, after - 1)
                    for end in range(day if before < 0 else max(day, before + length), last + 1):
                        yield self.figures.window(company, metric, size, end * DAY_MS)
                elif size is WindowSize.DAY:
                    yield self.figures.window(company, metric, size, day * DAY_MS)
                else:
                    month = month_start_day(day)
                    if before < month and (after < 0 or month_start_day(after) != month):
                        yield self.figures.window(company, metric, size, month * DAY_MS)

    def _install(self, chunk: CleanChunk, hours: list[int], begin: int, counted: list[bool]) -> None:
        """Sources by (company, shape, hour): of a group only its first event matters."""
        firsts: dict[tuple[int, int, int, int], int] = {}
        for at in range(begin, len(hours)):
            shape = chunk.shape[at]
            if counted[shape]:
                firsts.setdefault((chunk.company[at], shape, chunk.source[at], hours[at]), at)
        for (company, shape, source, hour), at in firsts.items():
            for metric, values in self.plan.of(chunk.shapes[shape]).sources:
                for size in metric.windows:
                    anchor = anchor_of(size, hour * HOUR_MS)
                    window = self.figures.window(chunk.companies[company], metric, size, anchor)
                    figure = self.figures.figure(window, values)
                    if self._join_source(figure, chunk.sources[source], chunk.offsets[at], chunk.closings[at]):
                        self._late.note(figure, (at,))

    def _join_source(self, figure: Figure, source: bytes, offset: int, closing: int) -> bool:
        """Whether the source is new and found the window closed."""
        if not self.members.join(figure.id, source):
            return False
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
        for figure in self._touched:
            writes[b"f" + figure.id] = seal(fence, (figure.value, figure.last, figure.corrected))
        nothing = seal(fence, None)
        for figure, source in self._members:
            writes[member_key(figure.id, source)] = nothing
        for company, user in self._users:
            writes[user_key(company, user)] = seal(fence, pack_days(self.activity.users[company][user]))
        self.figures.dirty.update(self._touched)
        self._touched, self._members, self._users = {}, [], {}
        writes.update(dict.fromkeys(self._buried()))
        if self._store is not None:
            self._store.write((key, value) for key, value in writes.items() if key[:1] in _STORED)
            self.activity.settle(sum(key[:1] == b"a" and value is None for key, value in writes.items()))
            self.members.settle()
        found = [StateWrite(key, value) for key, value in writes.items()]
        found.append(self.entry_write())
        return found

    def _buried(self) -> list[bytes]:
        """Expired keys to be deleted now; the state forgets them before."""
        if len(self._graves) < _MOST_GRAVES:
            for figure in self.figures.drop_expired(self.entry, _MOST_GRAVES):
                self._graves.append(b"f" + figure.id)
                if figure.window.metric.distinct is Distinct.SOURCE:
                    self._graves.extend(self.members.forget(figure.id))
            swept = self.activity.drop_expired(self.entry.event_watermark, _MOST_SWEPT)
            self._graves.extend(user_key(company, user) for company, user in swept)
        buried = [self._graves.popleft() for _ in range(min(_MOST_GRAVES, len(self._graves)))]
        buried += self.members.dead(_MOST_GRAVES - len(buried))
        return [key for key in buried if not self._is_alive(key)]

    def _is_alive(self, key: bytes) -> bool:
        """Whether a user came back after expiry; windows cannot."""
        if key[:1] != b"a":
            return False
        company, user = key[1:].split(b"|", 1)
        return self.activity.is_alive(company.decode(), user, self.entry.event_watermark)
