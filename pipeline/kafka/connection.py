"""Where the brokers are and how this program proves to them who it is: all that a client must be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Connection", "Security", "Where", "connection_to"]


@dataclass(frozen=True, slots=True)
class Security:
    """How connections are encrypted and logins proven, named as in the settings; by default they are neither.

    Passwords, tokens and certificates are in files or come from elsewhere: :mod:`pipeline.kafka.login` reads them.
    """

    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password_file: Path | None = None
    token_command: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    scope: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def has_login(self) -> bool:
        """Whether there is a login by SASL."""
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}


_OPEN: Final = Security()


@dataclass(frozen=True, slots=True)
class Connection:
    """``brokers`` is ``host:port``, several separated by commas."""

    brokers: str
    security: Security = _OPEN

    def __str__(self) -> str:
        return self.brokers


Where = Connection | str
"""A connection; an address alone is one without TLS and login."""


def connection_to(where: Where) -> Connection:
    """The connection that is meant."""
    return where if isinstance(where, Connection) else Connection(where)
