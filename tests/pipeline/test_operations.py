"""The metrics port: where it cannot be had, the setting that is to blame is named."""

import errno
import socket

import pytest

from pipeline.errors import StartupError
from pipeline.operations import Operations, Pages


async def refusal(host: str, port: int) -> str:
    pages = Pages(Operations(), lambda: None)
    with pytest.raises(StartupError) as caught:
        await pages.start(host, port)
    return str(caught.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "fe80::1", "a" * 64], ids=str)
async def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    line = await refusal(host, 0)
    assert host in line
    assert "FOOTFALL_METRICS_HOST" in line
    assert "FOOTFALL_METRICS_PORT" not in line


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = await refusal("127.0.0.1", port)
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert "FOOTFALL_METRICS_PORT" in line
    assert "FOOTFALL_METRICS_HOST" not in line


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EACCES, "above 1023"), (errno.EMFILE, "Too many open files")], ids=["right", "files"]
)
async def test_what_else_may_be_wrong_is_told(monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    async def refuses(*_: object) -> None:
        raise OSError(number, "said otherwise")

    monkeypatch.setattr("asyncio.start_server", refuses)
    assert said in await refusal("127.0.0.1", 80)
