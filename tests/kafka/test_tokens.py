"""Tokens: of a command or of an endpoint for client credentials, kept while they live, never told."""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security
from pipeline.kafka.tokens import Tokens

SECRET = "s3cr3t/+ word"


@dataclass
class Endpoint:
    url: str = ""
    answer: Any = field(default_factory=lambda: {"access_token": "t0ken", "expires_in": 100})
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.asked.append((self.headers["Authorization"], body))
            self.send_response(found.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(json.dumps(found.answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/token"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def granted(endpoint: Endpoint, folder: Path) -> tuple[Tokens, list[float]]:
    file, now = folder / "secret", [0.0]
    file.write_text(SECRET + "\n")
    security = Security(
        "SASL_SSL",
        "OAUTHBEARER",
        token_url=endpoint.url,
        client_id="foot:fall",
        client_secret_file=file,
        scope="kafka write",
    )
    return Tokens(security, lambda: now[0]), now


async def test_a_token_is_granted_for_client_credentials_and_kept_for_most_of_its_life(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    tokens, now = granted(endpoint, tmp_path)
    assert [await tokens.token() for _ in range(3)] == ["t0ken"] * 3
    ((authorization, body),) = endpoint.asked
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == "foot%3Afall:s3cr3t%2F%2B%20word"
    assert body == "grant_type=client_credentials&scope=kafka+write"
    now[0] = 81
    endpoint.answer["access_token"] = "later"
    assert await tokens.token() == "later"
    tokens.forget()
    await tokens.token()
    assert len(endpoint.asked) == 3


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, {"error": "invalid_client"}, "answers 401: mend FOOTFALL_SASL_CLIENT_ID"),
        (302, {}, "answers 302"),
        (200, {"token": "x"}, "gives no token"),
        (200, ["x"], "gives no token"),
        (200, {"access_token": "two words"}, "gives no token"),
        (200, {"access_token": "x", "expires_in": "soon"}, "gives no token"),
    ],
)
async def test_an_endpoint_that_grants_none_is_refused(
    endpoint: Endpoint, tmp_path: Path, status: int, answer: object, said: str
) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(StartupError) as caught:
        await granted(endpoint, tmp_path)[0].token()
    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert len(endpoint.asked) == 1  # a secret is for the one place that was named


async def test_an_endpoint_that_is_away_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"FOOTFALL_SASL_TOKEN_URL does not answer \(ConnectionRefusedError\)"):
        await granted(Endpoint("http://127.0.0.1:1/"), tmp_path)[0].token()


def command(program: str) -> Tokens:
    return Tokens(Security("SASL_SSL", "OAUTHBEARER", token_command=f'"{sys.executable}" -c "{program}"'))


async def test_a_command_prints_a_token_for_each_connection(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    tokens = command(f"open('{runs}', 'a').write('x'); print(' a.b-c_d~e+f/g== ')")
    assert [await tokens.token() for _ in range(2)] == ["a.b-c_d~e+f/g=="] * 2
    assert runs.read_text() == "xx"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('s3cr3t token')", "FOOTFALL_SASL_TOKEN_COMMAND gives no token"),
        ("pass", "gives no token"),
        ("print('s3cr3t'); raise SystemExit(3)", "ended with exit code 3"),
    ],
)
async def test_a_command_that_gives_none_is_refused_and_what_it_printed_is_not_told(program: str, said: str) -> None:
    with pytest.raises(StartupError) as caught:
        await command(program).token()
    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


async def test_a_command_that_is_not_there_is_refused() -> None:
    with pytest.raises(StartupError, match="cannot be run"):
        await Tokens(Security("SASL_SSL", "OAUTHBEARER", token_command="/none/of this")).token()
