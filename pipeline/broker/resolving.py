"""Which broker ``up``, ``demo`` and the tests use: that of the settings, else a container, else the embedded one."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pipeline.broker.acls import allow
from pipeline.broker.admin import admin
from pipeline.broker.container import IMAGE, KAFKA_VERSION, NoContainerError, container
from pipeline.broker.embedded import embedded, running
from pipeline.broker.jars import Progress
from pipeline.broker.secured import Secured, secured
from pipeline.errors import StartupError

__all__ = ["BrokerChoice", "Chosen", "resolve", "resolve_secure"]

_EMBEDDED = f"the embedded Apache Kafka {KAFKA_VERSION}"
_OTHER_FOLDER = "take another FOOTFALL_DATA_DIR"


class BrokerChoice(StrEnum):
    """What may be asked for; ``auto`` is the order of this module."""

    AUTO = "auto"
    CONTAINER = "container"
    EMBEDDED = "embedded"


class Chosen(NamedTuple):
    """The broker that is used, and why that one."""

    address: str
    what: str
    why: str
    given: bool = False
    """Whether it is the settings', and nothing was started."""
    access: Secured | None = None
    """The logins, where everybody has to log in."""

    @property
    def line(self) -> str:
        """As it is told."""
        return f"{self.what}: {self.why}"


@asynccontextmanager
async def resolve(
    folder: Path,
    choice: BrokerChoice = BrokerChoice.AUTO,
    given: str | None = None,
    progress: Progress | None = None,
    *,
    kept: bool = False,
) -> AsyncIterator[Chosen]:
    """The broker to use, which serves; one that was started is stopped at the end.

    ``given`` is FOOTFALL_BROKERS, which comes first unless another is asked for by name. ``folder`` holds the data of
    the embedded broker, and the name of the volume with those of a container where they are to be ``kept``. Data that
    are there are gone on with: a broker of the other kind would begin without them.
    """
    if given is not None and choice is BrokerChoice.AUTO:
        yield Chosen(given, "the brokers of FOOTFALL_BROKERS", "that is set", given=True)
        return
    begun = _begun(folder)
    if begun is not None and choice not in {BrokerChoice.AUTO, begun}:
        raise StartupError(
            f"the data in {folder} are of a broker that was {begun}", f"unset --broker, or {_OTHER_FOLDER}"
        )
    why = "asked for" if choice is not BrokerChoice.AUTO else "" if begun is None else f"{folder} has its data"
    async with AsyncExitStack() as ending:
        if BrokerChoice.EMBEDDED not in {choice, begun}:
            try:
                address = await ending.enter_async_context(container(_volume(folder) if kept else None))
            except NoContainerError as error:
                _refuse_where_asked(folder, choice, begun, error)
                why = str(error)
            else:
                if kept:
                    _note(folder)
                yield Chosen(address, f"a container of {IMAGE}", why or "Docker answers")
                return
        address = await ending.enter_async_context(embedded(folder, progress))
        yield Chosen(address, _EMBEDDED, why)


@asynccontextmanager
async def resolve_secure(folder: Path, prefix: str, progress: Progress | None = None) -> AsyncIterator[Chosen]:
    """The embedded broker with TLS, a login for each role, and their rights to the topics of ``prefix``."""
    access = secured(folder)
    async with running(folder, progress, access) as broker:
        async with admin(broker.own) as client:
            await allow(client, prefix)
        yield Chosen(broker.address, f"{_EMBEDDED} with TLS and logins", "asked for", access=access)


def _refuse_where_asked(
    folder: Path, choice: BrokerChoice, begun: BrokerChoice | None, error: NoContainerError
) -> None:
    if choice is BrokerChoice.CONTAINER:
        raise StartupError(f"--broker container: {error}", "mend that, or use --broker embedded") from None
    if begun is BrokerChoice.CONTAINER:
        raise StartupError(
            f"the data in {folder} are of a container, and {error}", f"mend that, or {_OTHER_FOLDER}"
        ) from None


def _volume(folder: Path) -> str:
    """The Docker volume of a folder's broker."""
    return f"footfall-{hashlib.blake2b(str(folder.absolute()).encode(), digest_size=8).hexdigest()}"


def _noted(folder: Path) -> Path:
    return folder / "container.volume"


def _note(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _noted(folder).write_text(_volume(folder), "utf-8")


def _begun(folder: Path) -> BrokerChoice | None:
    """Which kind of broker has its data here."""
    if _noted(folder).exists():
        return BrokerChoice.CONTAINER
    return BrokerChoice.EMBEDDED if (folder / "data").exists() else None
