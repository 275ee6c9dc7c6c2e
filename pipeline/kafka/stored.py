"""A record of a topic as commands and the oracle read it: apart, since the oracle shares nothing with the agents."""

from typing import NamedTuple

__all__ = ["StoredRecord"]


class StoredRecord(NamedTuple):
    """A record as a broker holds it; ``append_time`` in milliseconds since 1970 UTC.

    Where ``unreadable_to`` is set, the bytes from ``offset`` up to that offset hold no records as Kafka's format says.
    """

    partition: int
    offset: int
    append_time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    unreadable_to: int | None = None
