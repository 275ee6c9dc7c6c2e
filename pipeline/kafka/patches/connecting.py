"""How the client connects: through :class:`FrameReader` in a worker, and with what a login shows at that moment.

The client keeps one TLS context and one password for all its life, and says of a refused login that it could not
connect. Where it was given a login in place of a TLS context, each of its connections asks that for both, and tells it
how it went.
"""

import asyncio
from types import SimpleNamespace
from typing import Any, Final, Protocol, runtime_checkable

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from pipeline.kafka.patches.frames import FrameReader
from pipeline.kafka.patches.substituting import looking_up

__all__ = ["LoginRefusedError", "read_frames_whole", "show_logins"]

_FRAMES_WHOLE: Final = SimpleNamespace(StreamReader=FrameReader, StreamWriter=asyncio.StreamWriter)
_ORIGINAL: Final = AIOKafkaConnection.connect
_chosen: Final = SimpleNamespace(connect=_ORIGINAL)


class LoginRefusedError(KafkaConnectionError):  # type: ignore[misc]
    """A connection was not made for its login or for a certificate; its text is that of the refusal."""


@runtime_checkable
class _Login(Protocol):
    def shown(self) -> Any: ...
    def accepted(self) -> None: ...
    def refused(self, error: BaseException, host: str, port: int) -> Exception | None: ...


async def _connect(connection: Any) -> Any:
    login = connection._ssl_context  # noqa: SLF001 - there is no public way to change it
    if not isinstance(login, _Login):
        return await _chosen.connect(connection)
    try:
        shown = await asyncio.to_thread(login.shown)
        connection._ssl_context, connection._sasl_plain_password = shown  # noqa: SLF001 - as above
        made = await _chosen.connect(connection)
    except Exception as error:
        if (refusal := login.refused(error, connection.host, connection.port)) is not None:
            raise LoginRefusedError(str(refusal)) from None
        raise
    login.accepted()
    return made


def show_logins() -> None:
    """Have every connection of the client that is given a login show what that holds."""
    AIOKafkaConnection.connect = _connect


def read_frames_whole() -> None:
    """Have every connection of the client that is made from now on read through :class:`FrameReader`."""
    _chosen.connect = looking_up(_ORIGINAL, {"asyncio": _FRAMES_WHOLE})
    AIOKafkaConnection.connect = _connect
