"""What a worker says: JSON lines on stdout, its own and those of the client below; nothing of an event in any."""

import logging
import os
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

import structlog
from aiokafka import TopicPartition
from faust.types import TP

__all__ = ["ClientLines", "log_to_stdout", "named", "where"]

_FRAMES: Final = 5
"""Of the way to an error, as file and line: code, never a value."""
_A_MINUTE: Final = 10
_MINUTE: Final = 60.0
_CLIENT: Final = "aiokafka"
_NAME: Final = re.compile(r"[A-Za-z0-9._:\[\]-]{1,249}")
"""A host, a topic, a group or a class, as the client's lines hold them; none of them is told of a record."""


def log_to_stdout() -> None:
    """To be called once, before anything is logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    logging.basicConfig(handlers=[ClientLines()], level=logging.WARNING)
    logging.captureWarnings(True)
    threading.excepthook = lambda given: _unexpected("thread_ended", given.exc_value, given.exc_traceback)
    sys.unraisablehook = lambda given: _unexpected("error_ignored", given.exc_value, given.exc_traceback)


def named(error: BaseException | None) -> str:
    """The kind of an error; its text may hold what it was about, such as a key."""
    return type(error).__name__


def where(way: TracebackType | None) -> list[str]:
    """The end of the way to an error."""
    return [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in traceback.extract_tb(way)][-_FRAMES:]  # noqa: PTH119 - a name in a traceback need not be a path


def _unexpected(event: str, error: BaseException | None, way: TracebackType | None) -> None:
    structlog.get_logger().error(event, error=named(error), where=where(way))


class ClientLines(logging.Handler):
    """Says what the libraries log, at most ten lines a minute and none twice in it: a broker that is away has hundreds.

    ``left_out`` counts those that were not said since the line before. The client's texts are constants of its code;
    of what is put into them numbers, partitions, names and kinds of errors are told. Of other libraries' texts, which
    may have been put together, only where they come from is told.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._recent: deque[tuple[float, str]] = deque(maxlen=_A_MINUTE)
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See :class:`logging.Handler`."""
        now, text = self._clock(), _text(record)
        recent = [text for at, text in self._recent if now - at < _MINUTE]
        if len(recent) == _A_MINUTE or text in recent:
            self._left_out += 1
            return
        self._recent.append((now, text))
        more: dict[str, object] = {"left_out": self._left_out} if self._left_out else {}
        if record.exc_info and record.exc_info[1] is not None:
            more |= {"error": named(record.exc_info[1]), "where": where(record.exc_info[2])}
        self._left_out = 0
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(structlog.get_logger(), level)("client", logger=record.name, what=text, **more)


def _text(record: logging.LogRecord) -> str:
    if record.name.split(".")[0] != _CLIENT or not isinstance(record.msg, str):
        return f"{record.module}:{record.lineno}"
    given = record.args if isinstance(record.args, tuple) else ()
    try:
        return " ".join((record.msg % tuple(map(_safe, given))).split())
    except (TypeError, ValueError):
        return record.msg


class _Safe(str):
    """Text that stands for itself, also where it is asked for its representation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _safe(value: object) -> object:
    """What of a value in a line of the client's may be told."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, TopicPartition | TP):
        return _Safe(f"{value.topic}-{value.partition}")
    if isinstance(value, OSError) and value.errno:
        return _Safe(os.strerror(value.errno))
    if isinstance(value, type):
        return _Safe(value.__name__)
    if isinstance(value, str) and _NAME.fullmatch(value):
        return _Safe(value)
    return _Safe(type(value).__name__)
