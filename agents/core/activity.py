"""Active days of users: a bit mask of days for each (company, pseudonym), and what one more day changes.

In memory a user is one integer: ``newest day << 128 | mask``, where bit ``i`` of the mask says that the user
was active ``i`` days before the newest day. Days older than ``keep`` days before the newest are dropped at
every change, so that the value follows from the events alone, whenever an expired user was swept away.
"""

from collections.abc import Iterator
from itertools import islice

from schemas.deciding import Deciding
from schemas.limits import DAY_MS

__all__ = ["MASK_DAYS", "Activity", "Turn", "add_day", "days_kept", "neighbours", "pack_days", "unpack_days"]

MASK_DAYS = 128
_MASK = (1 << MASK_DAYS) - 1

Turn = tuple[int, int, int]
"""A new active day with the active day before and the one after it, each -1 where there is none."""


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

    def __init__(self, deciding: Deciding) -> None:
        self.keep = days_kept(deciding)
        self.users: dict[str, dict[bytes, int]] = {}
        self._sweep: Iterator[tuple[str, bytes]] | None = None
        self._swept_below = -1
        self._lateness = deciding.lateness

    def oldest_alive(self, event_watermark: int) -> int:
        """The least newest day of a user who can still matter."""
        return (event_watermark - self._lateness) // DAY_MS - self.keep

    def turn(self, company: str, user: bytes, day: int) -> Turn | None:
        """Make the user active on ``day``; None where that was known (or is too old to matter)."""
        users = self.users.get(company)
        if users is None:
            users = self.users[company] = {}
        packed = users.get(user)
        changed = add_day(packed, day, self.keep)
        if changed is None:
            return None
        users[user] = changed
        before, after = (-1, -1) if packed is None else neighbours(packed, day)
        return day, before, after

    def _all(self) -> Iterator[tuple[str, bytes]]:
        for company in list(self.users):
            for user in list(self.users.get(company, ())):
                yield company, user

    def drop_expired(self, event_watermark: int, limit: int) -> list[tuple[str, bytes]]:
        """Forget expired users, looking at no more than ``limit``; the ones forgotten.

        One sweep over everybody is begun for each day by which the watermark moves on.
        """
        oldest = self.oldest_alive(event_watermark)
        if self._sweep is None and oldest > self._swept_below:
            self._swept_below = oldest
            self._sweep = self._all()
        if self._sweep is None:
            return []
        seen = list(islice(self._sweep, limit))
        if len(seen) < limit:
            self._sweep = None
        return [key for key in seen if self._drop_if_older(key, oldest)]

    def _drop_if_older(self, key: tuple[str, bytes], oldest: int) -> bool:
        company, user = key
        users = self.users.get(company, {})
        packed = users.get(user)
        if packed is None or packed >> MASK_DAYS >= oldest:
            return False
        del users[user]
        if not users:
            del self.users[company]
        return True
