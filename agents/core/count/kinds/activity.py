"""Active days of users: a bit mask of days for each (company, pseudonym), and what one more day changes.

In memory a user is one integer: ``newest day << 128 | mask``, where bit ``i`` of the mask says that the user
was active ``i`` days before the newest day. Days older than ``keep`` days before the newest are dropped at
every change, so that the value follows from the events alone, whenever an expired user was swept away.

All users are in memory, or, over a store, those lately seen: an expired one that is read from there counts like one
that is not there, for the same reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from agents.core.count.company_bounds import CompanyBounds, Held
from agents.core.shared.joins import value_reader
from agents.core.shared.store import Store, walk
from schemas.deciding import Deciding
from schemas.limits import DAY_MS

__all__ = [
    "HOT_USERS",
    "MASK_DAYS",
    "Activity",
    "Sight",
    "Turn",
    "add_day",
    "days_kept",
    "neighbours",
    "pack_days",
    "read_days",
    "unpack_days",
    "user_key",
]

HOT_USERS = 100_000
"""Users held in memory over a store, at most twice as many and a chunk's more."""
MASK_DAYS = 128
_MASK = (1 << MASK_DAYS) - 1
read_days = value_reader("a user's days", tuple[int, bytes])
"""The payload of a user's value: newest day and mask."""

Turn = tuple[int, int, int]
"""A new active day with the active day before and the one after it, each -1 where there is none."""
Sight = tuple[int, int, int, int]
"""Company and user as numbers of a chunk, a day, the index of an event."""


def user_key(company: str, user: bytes) -> bytes:
    """The state's key of a user."""
    return b"a" + company.encode() + b"|" + user


def days_kept(deciding: Deciding) -> int:
    """How many days before a user's newest day may still matter to a legal event.

    An event may be ``lateness`` behind and looks 30 days further back (to the first of a month, or over a
    sliding window). Raises ValueError for a lateness that the mask cannot hold.
    """
    kept = -(-deciding.lateness // DAY_MS) + 31
    if kept >= MASK_DAYS:
        raise ValueError(f"lateness is {deciding.lateness // DAY_MS} days, at most {MASK_DAYS - 32} can be held")
    return kept


def neighbours(packed: int, day: int) -> tuple[int, int]:
    """The active days next before and next after ``day``, -1 where there is none."""
    newest, mask = packed >> MASK_DAYS, packed & _MASK
    if day > newest:
        return newest, -1
    age = newest - day
    older = mask >> (age + 1)
    before = day - (older & -older).bit_length() if older else -1
    younger = mask & ((1 << age) - 1)
    after = newest - (younger.bit_length() - 1) if younger else -1
    return before, after


def add_day(packed: int | None, day: int, keep: int) -> int | None:
    """The user with ``day`` active as well; None where nothing changes."""
    if packed is None:
        return day << MASK_DAYS | 1
    newest, mask = packed >> MASK_DAYS, packed & _MASK
    age = newest - day
    if age < 0:
        return day << MASK_DAYS | (mask << -age | 1) & ((1 << (keep + 1)) - 1) if -age <= keep else day << MASK_DAYS | 1
    if age > keep or mask >> age & 1:
        return None
    return packed | 1 << age


def pack_days(packed: int) -> tuple[int, bytes]:
    """(newest day, mask little-endian without trailing zeros), as it is stored."""
    mask = packed & _MASK
    return packed >> MASK_DAYS, mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def unpack_days(newest: int, mask: bytes) -> int:
    """The inverse of :func:`pack_days`."""
    return newest << MASK_DAYS | int.from_bytes(mask, "little")


class Activity:
    """The users of one partition by company and pseudonym."""

    def __init__(self, deciding: Deciding, bounds: CompanyBounds | None = None) -> None:
        self._bounds = CompanyBounds(deciding) if bounds is None else bounds
        self.keep = days_kept(deciding)
        self.users: dict[str, dict[bytes, int]] = {}
        self._older: dict[str, dict[bytes, int]] = {}
        self._store: Store | None = None
        self._hot = 0
        self._stored = 0
        self._sweep: Iterator[tuple[str, bytes] | None] | None = None
        self._swept_below = -1
        self._lateness = deciding.lateness

    def oldest_alive(self, event_watermark: int) -> int:
        """The least newest day of a user who can still matter."""
        return (event_watermark - self._lateness) // DAY_MS - self.keep

    def turns(
        self, seen: Iterable[Sight], companies: Sequence[str], pseudonyms: Sequence[bytes]
    ) -> Iterator[tuple[str, bytes, Turn, int]]:
        """Make users active; company, user, turn and index of those for whom that was new (and not too old to matter).

        A user for whom the company has no room on that day is not active then.

        One loop, for nearly all are known: a call for each would cost more than all the rest of it.
        """
        users_of, take = self.users, self._bounds.admit
        for number, who, day, at in seen:
            company, user = companies[number], pseudonyms[who]
            users = users_of.get(company)
            if users is None:
                users = users_of[company] = {}
            packed = users.get(user)
            if packed is None and self._store is not None:
                packed = self._recall(users, company, user)
            if packed is not None and packed >> MASK_DAYS == day:
                continue
            changed = add_day(packed, day, self.keep)
            if changed is None or not take(company, (day + 1) * DAY_MS, Held.USERS):
                continue
            if packed is None:
                self._stored += 1
            users[user] = changed
            before, after = (-1, -1) if packed is None else neighbours(packed, day)
            yield company, user, (day, before, after), at

    # ---- over a store

    def attach(self, store: Store, count: int) -> None:
        """Read from ``store`` from now on, in which there are ``count`` users."""
        self._store = store
        self._stored = count

    def settle(self, deleted: int) -> None:
        """All that changed is in the store, and ``deleted`` users are out of it: let go of who was not seen lately."""
        self._stored -= deleted
        if self._store is not None and self._hot > HOT_USERS:
            self._older, self.users, self._hot = self.users, {}, 0

    @property
    def count(self) -> int:
        """How many users there are; expired ones count until they are swept away, in a store until deleted."""
        return sum(map(len, self.users.values())) if self._store is None else self._stored

    def _recall(self, users: dict[bytes, int], company: str, user: bytes) -> int | None:
        """A user who is not in ``users`` will be from now on."""
        self._hot += 1
        packed = self._peek(company, user)
        if packed is not None:
            users[user] = packed
        return packed

    def _peek(self, company: str, user: bytes) -> int | None:
        for known in (self.users, self._older):
            if (packed := known.get(company, {}).get(user)) is not None:
                return packed
        value = None if self._store is None else self._store.get(user_key(company, user))
        return None if value is None else unpack_days(*read_days(value))

    # ---- expiry

    def is_alive(self, company: str, user: bytes, event_watermark: int) -> bool:
        """Whether the user is known and has not expired."""
        packed = self._peek(company, user)
        return packed is not None and packed >> MASK_DAYS >= self.oldest_alive(event_watermark)

    def _all(self, oldest: int) -> Iterator[tuple[str, bytes] | None]:
        """Everybody, where there is a store None for those who were alive in it."""
        if self._store is None:
            for company in list(self.users):
                for user in list(self.users.get(company, ())):
                    yield company, user
        else:
            for key, value in walk(self._store, b"a"):
                if read_days(value)[0] >= oldest:
                    yield None
                else:
                    name, user = key[1:].split(b"|", 1)
                    yield name.decode(), user

    def drop_expired(self, event_watermark: int, limit: int) -> list[tuple[str, bytes]]:
        """Forget expired users, looking at no more than ``limit``; the ones forgotten.

        One sweep over everybody is begun for each day by which the watermark moves on.
        """
        oldest = self.oldest_alive(event_watermark)
        if self._sweep is None and oldest > self._swept_below:
            self._swept_below = oldest
            self._sweep = self._all(oldest)
        if self._sweep is None:
            return []
        seen = list(islice(self._sweep, limit))
        if len(seen) < limit:
            self._sweep = None
        return [key for key in seen if key is not None and self._drop_if_older(key, oldest)]

    def _drop_if_older(self, key: tuple[str, bytes], oldest: int) -> bool:
        company, user = key
        packed = self._peek(company, user)
        if packed is None or packed >> MASK_DAYS >= oldest:
            return False
        for known in (self.users, self._older):
            users = known.get(company, {})
            if users.pop(user, None) is not None and not users:
                del known[company]
        return True
