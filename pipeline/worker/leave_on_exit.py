"""A process beside a worker that tells the group at once when the worker has ended.

Without it a group waits for the session timeout. It is sent when nothing of the worker runs any more, so nobody writes
but what was on its way, as after any crash. A machine or a container that ends takes both processes with it; then the
session timeout counts.
"""

import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from pipeline.worker import executor

__all__ = ["LeaveOnExit"]


class LeaveOnExit:
    """Starts the process that keeps it; ``replace`` may be called from any one thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._sent = b""

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", str(Path(executor.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what ends the worker by the keyboard is not to end this first
            )
        except OSError as error:
            structlog.get_logger().warning("no_leave_on_exit", why=error.strerror)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self.replace(b"")
        self._process.stdin.close()
        self._process.wait()

    def replace(self, request: bytes) -> None:
        """From now on this one; empty: none."""
        if request == self._sent or self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(struct.pack(">I", len(request)) + request)
            self._process.stdin.flush()
        except (OSError, ValueError):  # it was ended: the session timeout does without it
            self._process = None
        self._sent = request
