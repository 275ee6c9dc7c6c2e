"""What the program asks of its process before any command begins, and how it says the last word."""

import codecs
import contextlib
import ctypes
import errno
import io
import os
import resource
import sys
from typing import Final

from aiokafka.errors import KafkaError

from pipeline.errors import StartupError
from pipeline.kafka.login import last_refusal
from pipeline.unknown import refused_form
from schemas.wire.forms import UnknownFormError

__all__ = ["refusal_of", "say_the_rest", "settle"]

_PLAIN: Final = "footfall-plain"
_INSTEAD: Final = {"\N{HORIZONTAL ELLIPSIS}": "~"}
"""One column wide each, so that tables stay straight."""
_DUMPABLE: Final = 4  # PR_SET_DUMPABLE


def settle() -> None:
    """Leave no copy of memory behind at a crash, and print anywhere whatever is to be printed."""
    _dump_nothing()
    codecs.register_error(_PLAIN, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _dump_nothing() -> None:
    """Memory holds keys and names. The limit is inherited by children; a dump to a program goes by the flag alone."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for a character that the stream has not."""
    if isinstance(error, UnicodeEncodeError) and (instead := _INSTEAD.get(error.object[error.start])) is not None:
        return instead, error.start + 1
    return codecs.backslashreplace_errors(error)


def say_the_rest() -> None:
    """Flush stdout; raises OSError where it takes no more, which the interpreter would tell with a traceback."""
    if sys.stdout is None:  # it was closed before the start, and takes whatever is printed
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def refusal_of(error: KafkaError | OSError | UnknownFormError) -> StartupError:
    """The one line for what a command did not foresee: brokers that went away, a full disk, an unknown record."""
    if isinstance(error, UnknownFormError):
        return refused_form(error)
    if isinstance(error, KafkaError | TimeoutError | ConnectionError):
        return last_refusal() or StartupError(
            f"the brokers went away or refused on the way ({type(error).__name__})",
            "look at their state, then try again",
        )
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    what = os.strerror(error.errno) if error.errno else type(error).__name__
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StartupError(
        f"this machine says: {what}{where}", "make room, then try again" if full else "mend that, then try again"
    )
