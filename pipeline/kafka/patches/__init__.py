"""Everything of aiokafka and Faust that is replaced or wrapped where they have no hook for it.

Each part is written for the versions in :data:`WRITTEN_FOR`: whoever makes a client calls :func:`require_versions`.
``substituting`` calls a method with other classes, ``frames`` reads from sockets, ``connecting`` uses that and
logins, ``fetching`` hands over batches,
``group`` sees heartbeats and errors of a group, ``admin`` asks every broker, ``protocol`` holds requests that aiokafka
lacks.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from pipeline.errors import StartupError

__all__ = ["WRITTEN_FOR", "ClientVersionError", "require_versions"]

WRITTEN_FOR: Final = {"aiokafka": "0.14.0", "faust-streaming": "0.15.3"}


class ClientVersionError(StartupError):
    """A client library is installed in another version than the one that is patched here."""


@cache
def require_versions() -> None:
    """Raises :class:`ClientVersionError` where another version of aiokafka or Faust is installed."""
    for package, wanted in WRITTEN_FOR.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "no version"
        if found != wanted:
            raise ClientVersionError(
                f"{package} {wanted} is needed, but {found} is installed",
                "install what requirements.lock names: pip install --require-hashes -r requirements.lock",
            )
