"""How a worker's process ends when something went wrong: one line that says why and what to do, then nothing more."""

import os
import sys
from typing import Final, NoReturn

import structlog
from aiokafka import errors as kafka

from pipeline.errors import StartupError, StoreError
from pipeline.kafka.appender import ForeignWriteError, ProduceError
from pipeline.kafka.login import last_refusal
from pipeline.unknown import refused_form
from pipeline.worker.lease import LeaseLostError
from pipeline.worker.lines import named, where
from schemas.wire.forms import UnknownFormError

__all__ = ["end", "reason"]

_FOR_WANT_OF_BROKERS: Final = (LeaseLostError, ProduceError, kafka.KafkaError, TimeoutError, ConnectionError)
"""What a worker ends with where brokers do not answer, or refuse its login."""
_AGAIN: Final = "started again, it recovers and mends"
_REASONS: Final[tuple[tuple[tuple[type[BaseException], ...], str, str], ...]] = (
    (
        (LeaseLostError,),
        "",
        f"see that the brokers run and can be reached, and that this machine is not paused; {_AGAIN}",
    ),
    ((ForeignWriteError,), "", f"{_AGAIN}; where it ends so again, find out who else writes to that topic"),
    ((StoreError,), "", f"mend that, or set FOOTFALL_STORE to memory; {_AGAIN}"),
    (
        (
            kafka.TopicAuthorizationFailedError,
            kafka.GroupAuthorizationFailedError,
            kafka.ClusterAuthorizationFailedError,
        ),
        "the brokers refuse it a right",
        "grant it the right that footfall doctor names; to start it again does not help before",
    ),
    (
        (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError),
        "the brokers take no batch of the size that it needs",
        "mend max.message.bytes where footfall topics diff says so; to start it again does not help before",
    ),
    (
        (kafka.UnknownTopicOrPartitionError,),
        "a topic or a partition of it is gone",
        "look at footfall topics diff; to start it again does not help before",
    ),
    (
        (kafka.KafkaError, TimeoutError, ConnectionError),
        "the brokers went away or answered with an error",
        f"see that they run and can be reached from here; {_AGAIN}",
    ),
    ((MemoryError,), "there was no memory left", f"give it more, or set FOOTFALL_STORE to rocksdb; {_AGAIN}"),
)
"""Kinds of errors, what they mean ("": the error says it in our words), what to do."""


def end(error: BaseException) -> NoReturn:
    """End the process at once: nothing more may be written. Nothing of an event is in what is said."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    code = 1
    if isinstance(error, _FOR_WANT_OF_BROKERS) and (refusal := last_refusal()) is not None:
        error = refusal
    if isinstance(error, kafka.InvalidSessionTimeoutError):
        error = StartupError(
            "the brokers do not take FOOTFALL_SESSION_TIMEOUT",
            "set it between their group.min.session.timeout.ms and group.max.session.timeout.ms",
        )
    elif isinstance(error, UnknownFormError):  # such as in a store, which is read while folding
        error = refused_form(error)
    if isinstance(error, StartupError):
        sys.stderr.write(f"footfall: {error}\n")
        code = 2
    else:
        what, do = reason(error)
        structlog.get_logger().error("ended", error=named(error), what=what, where=where(error.__traceback__), do=do)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def reason(error: BaseException) -> tuple[str, str]:
    """Why the worker ended and what to do; the text of an error is told only where it is ours."""
    ours = str(error) if type(error).__module__.startswith("pipeline") else ""
    cause = (error.__context__ or error) if isinstance(error, ProduceError) else error  # what the client said of it
    for kinds, what, do in _REASONS:
        if isinstance(cause, kinds):
            return ours or what, do
    if isinstance(error, OSError) and error.errno:
        return f"this machine says: {os.strerror(error.errno)}", f"mend that; {_AGAIN}"
    if ours:
        return ours, f"{_AGAIN}; if it ends so again, report error and where"
    return "an error that the program does not foresee", f"{_AGAIN}; if it ends so again, report error and where"
