"""The request that a worker leave its group: sent when its process is killed, and never when it left by itself."""

import io
import socket
import struct
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

from pipeline.kafka.patches.group import leaving
from pipeline.worker.executor import read_last

WORKER = textwrap.dedent("""
    import os, signal, sys
    from pipeline.worker.leave_on_exit import LeaveOnExit
    with LeaveOnExit() as leave_on_exit:
        leave_on_exit.replace(b"127.0.0.1:1\\nearlier")
        leave_on_exit.replace(b"127.0.0.1:%d\\nlast" % int(sys.argv[1]))
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] == "exit":
            os._exit(1)
""")


@pytest.mark.parametrize("end", ["killed", "exit", "leaves"])
def test_the_request_of_a_process_that_ended_is_sent_and_of_one_that_left_it_is_not(end: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30 if end != "leaves" else 0)
        worker = subprocess.run([sys.executable, "-c", WORKER, str(server.getsockname()[1]), end], check=False)
        if end == "leaves":  # the keeper was waited for, so whatever it would send is there
            assert worker.returncode == 0
            with pytest.raises(BlockingIOError):
                server.accept()
            return
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b"last"


def test_a_request_that_was_cut_short_by_the_end_does_not_count() -> None:
    whole = struct.pack(">I", 3) + b"one"
    assert read_last(io.BytesIO(whole + struct.pack(">I", 3) + b"tw")) == b"one"
    assert read_last(io.BytesIO(whole + struct.pack(">I", 0))) == b""
    assert read_last(io.BytesIO(whole + b"\0")) == b"one"


def test_the_request_is_to_leave_the_group_and_none_where_it_was_not_joined() -> None:
    cluster = SimpleNamespace(broker_metadata=lambda _node: SimpleNamespace(host="broker.example", port=9092))
    coordinator = SimpleNamespace(
        _client=SimpleNamespace(cluster=cluster, _security_protocol="PLAINTEXT"),
        coordinator_id=1,
        group_id="footfall-aggregate",
        member_id="me-1",
    )
    place, _, message = leaving(coordinator).partition(b"\n")
    assert place == b"broker.example:9092"
    size, key, version, _ = struct.unpack(">ihhi", message[:12])
    assert (size, key, version) == (len(message) - 4, 13, 1)
    assert message.endswith(b"\0\x12footfall-aggregate\0\x04me-1")
    coordinator.member_id = ""
    assert leaving(coordinator) == b""
