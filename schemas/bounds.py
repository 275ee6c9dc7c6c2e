"""The bounds that keep one company from exhausting a worker (design 1.7): their names in metrics and messages."""

from enum import StrEnum

__all__ = ["Bound"]


class Bound(StrEnum):
    """What a bound limits; each is a setting ``max_...`` of :class:`schemas.deciding.Deciding`."""

    SOURCES = "sources"
    INCARNATIONS = "incarnations"
    INTERVALS = "intervals"
    WORDS = "words"
    NEW_COMPANIES = "new-companies"
    USERS = "users"
    SERIES = "series"
