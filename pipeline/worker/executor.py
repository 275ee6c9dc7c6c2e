"""A process of its own, started by :mod:`pipeline.worker.leave_on_exit`: sends what that process left to be sent.

It reads requests from its standard input, each with its length before it: a host and a port on a line, then bytes. When
the input ends, which the kernel sees to however the other process ends, it sends the last one's bytes there and waits
for an answer. An empty request is none. It needs nothing but the standard library, and starts without any site.
"""

import socket
import struct
import sys
from typing import BinaryIO

__all__ = ["execute", "read_last"]

_SECONDS = 5.0
_LENGTH = struct.Struct(">I")


def read_last(source: BinaryIO) -> bytes:
    """The last whole request of a stream that has ended."""
    last = b""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        request = source.read(length)
        if len(request) == length:
            last = request
    return last


def execute(request: bytes) -> None:
    """Send the request; raises OSError."""
    place, _, message = request.partition(b"\n")
    host, _, port = place.decode().rpartition(":")
    with socket.create_connection((host, int(port)), _SECONDS) as connection:
        connection.sendall(message)
        connection.recv(64)


if __name__ == "__main__":
    if found := read_last(sys.stdin.buffer):
        try:
            execute(found)
        except OSError:
            sys.exit(1)  # nobody is there to be told; the session timeout does it
