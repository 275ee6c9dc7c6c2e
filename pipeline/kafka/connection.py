"""Where the brokers are: all that a client must be told to reach them."""

from dataclasses import dataclass

__all__ = ["Connection", "Where", "connection_to"]


@dataclass(frozen=True, slots=True)
class Connection:
    """``brokers`` is ``host:port``, several separated by commas."""

    brokers: str

    def __str__(self) -> str:
        return self.brokers


Where = Connection | str
"""A connection; an address alone is one without TLS and login."""


def connection_to(where: Where) -> Connection:
    """The connection that is meant."""
    return where if isinstance(where, Connection) else Connection(where)
