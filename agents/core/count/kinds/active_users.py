"""Active users of days, months and sliding windows: a new active day changes the windows that the user is new in."""

from collections.abc import Iterator, Mapping, Sequence

from agents.core.count.figure import Window
from agents.core.count.figures import Figures
from agents.core.count.kinds.activity import Activity, pack_days, read_days, unpack_days, user_key
from agents.core.count.kinds.part import Changes, Stretch
from agents.core.count.pending_windows import pending_key, sliding_ends
from agents.core.count.plan import Plan
from agents.core.count.state import Entry
from agents.core.shared.joins import seal
from agents.core.shared.windows import day_of, month_start_day
from schemas.catalogue.metrics import WindowSize
from schemas.limits import DAY_MS

__all__ = ["ActiveUsers"]


class ActiveUsers:
    """See :class:`agents.core.count.kinds.part.KindPart`."""

    def __init__(self, figures: Figures, changes: Changes, activity: Activity, plan: Plan, entry: Entry) -> None:
        self.entry = entry
        self._figures = figures
        self._changes = changes
        self._activity = activity
        self._plan = plan
        self._users: dict[tuple[str, bytes], None] = {}
        self._pending: dict[str, None] = {}
        """Companies."""

    @property
    def rows(self) -> int:
        """See :class:`KindPart`."""
        return len(self._users) + len(self._pending)

    def fold(self, stretch: Stretch) -> None:
        """New active days in raw order; changes of alike windows are added up before they are applied."""
        chunk = stretch.chunk
        changes: dict[tuple[str, int, int, int, int], list[int]] = {}
        closings, touched = chunk.closings, self._changes.touched
        for company, user, turn, at in self._activity.turns(
            stretch.part.pre_aggregate.users, chunk.companies, chunk.users
        ):
            self._users[company, user] = None
            changes.setdefault((company, day_of(closings[at]), *turn), []).append(at)
        for (name, reached, *days), turns in changes.items():
            by, offset, closing = len(turns), chunk.offsets[turns[-1]], closings[turns[-1]]
            for window in self._windows_of(name, reached, days, by, offset):
                figure = self._figures.figure(window, ())
                if figure.change(by, offset, closing):
                    self._changes.late.note(figure, [(at, 1) for at in turns])
                touched[figure] = None

    def _windows_of(self, company: str, reached: int, days: Sequence[int], by: int, offset: int) -> Iterator[Window]:
        """Windows into which a new active day brings so many users; those that lie ahead are changed here.

        ``days`` are a turn of :mod:`agents.core.count.kinds.activity`, ``reached`` the day of the closing watermark.
        """
        day, before, after = days
        window = self._figures.window
        for metric, size in self._plan.tumbling:
            if size is WindowSize.DAY:
                yield window(company, metric, size, day * DAY_MS)
                continue
            month = month_start_day(day)
            if before < month and (after < 0 or month_start_day(after) != month):
                yield window(company, metric, size, month * DAY_MS)
        if self._plan.slides:
            pending, made = self._figures.reach(company, max(reached, day), self.entry)
            self._changes.written.update(dict.fromkeys(made))
            self._pending[company] = None
            for place, (metric, size, length) in enumerate(self._plan.slides):
                ends = sliding_ends(length, day, before, after)
                pending.add(place, ends, by, offset)
                for end in range(ends[0], min(ends[1], pending.through + 1)):
                    yield window(company, metric, size, end * DAY_MS)

    def restore(self, found: Mapping[bytes, bytes]) -> None:
        """Take up the users among the state's keys. There may be a million: each company is looked up once a user."""
        companies: dict[bytes, dict[bytes, int]] = {}
        for key, value in found.items():
            if key[:1] == b"a":
                company, user = key[1:].split(b"|", 1)
                users = companies.get(company)
                if users is None:
                    users = companies[company] = self._activity.users.setdefault(company.decode(), {})
                users[user] = unpack_days(*read_days(value))

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """See :class:`KindPart`."""
        for company, user in self._users:
            yield user_key(company, user), seal(fence, pack_days(self._activity.users[company][user]))
        for company in self._pending:
            yield pending_key(company), self._figures.pending[company].value(fence, self._plan.slides)
        self._users, self._pending = {}, {}
