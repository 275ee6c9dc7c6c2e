"""A stand-in for Docker: its API over HTTP, as far as testcontainers asks it, with an embedded broker as the container.

What is asked is recorded. A container of the image of the reaper is a port that says ``ACK`` and, once its client is
gone, removes what bears the session's label.
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pipeline.broker.embedded import EmbeddedBroker, free_ports
from pipeline.broker.jars import ready_jars

__all__ = ["Docker", "docker"]

Answer = tuple[int, object]
_KAFKA_PORT, _REAPER_PORT = "9092/tcp", "8080/tcp"


@dataclass
class Container:
    id: str
    name: str
    asked: dict[str, Any]
    status: str = "created"
    ports: dict[str, int] = field(default_factory=dict)
    end: Callable[[], None] = lambda: None
    log: bytes = b""

    @property
    def image(self) -> str:
        return str(self.asked["Image"])

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.asked["Env"])

    @property
    def volumes(self) -> list[str]:
        return list(self.asked["HostConfig"].get("Binds") or [])

    def inspected(self) -> dict[str, Any]:
        bound = {port: [{"HostIp": "127.0.0.1", "HostPort": str(number)}] for port, number in self.ports.items()}
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Image": self.image,
            "Config": {"Tty": False, "Labels": self.asked.get("Labels") or {}},
            "HostConfig": {**self.asked["HostConfig"], "LogConfig": {"Type": "json-file"}},
            "State": {"Status": self.status, "Running": self.status == "running"},
            "NetworkSettings": {"Ports": bound},
        }


class Docker:
    """The daemon; ``images`` are there, ``registry`` those that can be pulled. ``mute`` lets it answer nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: set[str] = set()
        self.registry: set[str] = set()
        self.requests: list[str] = []
        self.containers: dict[str, Container] = {}
        self.removed: list[Container] = []
        self.mute = threading.Event()
        self.ends_at_start = b""
        self._lock = threading.Lock()
        # One thread that lives as long as this: the kernel ends a broker with the thread that started it.
        self._starting = ThreadPoolExecutor(1)

    def close(self) -> None:
        self.mute.clear()
        for each in [*self.containers.values()]:
            self._remove(each)
        self._starting.shutdown()

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Answer:
        path = re.sub(r"^/v[0-9.]+", "", path)
        with self._lock:
            self.requests.append(f"{method} {re.sub('[0-9a-f]{64}', 'ID', path)}")
        while self.mute.is_set():
            time.sleep(0.05)
        if path == "/_ping":
            return 200, b"OK"
        if path == "/version":
            return 200, {"ApiVersion": "1.47", "MinAPIVersion": "1.24", "Version": "27.0.0", "Os": "linux"}
        if path == "/images/create":
            return self._pull(f"{query['fromImage'][0]}:{query['tag'][0]}")
        if found := re.fullmatch("/images/(.+)/json", path):
            name = unquote(found[1])
            return (200, {"Id": name, "RepoTags": [name]}) if name in self.images else _missing(name)
        if path == "/containers/create":
            return self._create(query.get("name", [""])[0], body)
        if found := re.fullmatch("/containers/([0-9a-f]{64})(/[a-z]+)?", path):
            one = self.containers.get(found[1])
            return _missing(found[1]) if one is None else self._of(one, method, found[2] or "", query)
        return 404, {"message": f"page not found: {path}"}

    def _pull(self, name: str) -> Answer:
        if name not in self.registry:
            return 500, {"message": f"Get https://registry.example/v2/: dial tcp: no route to {name}"}
        self.images.add(name)
        return 200, b'{"status":"Pulling"}\r\n{"status":"Downloaded"}\r\n'

    def _create(self, name: str, body: dict[str, Any]) -> Answer:
        one = Container(f"{len(self.containers) + len(self.removed) + 1:064x}", name, body)
        if one.image not in self.images:
            return _missing(one.image)
        self.containers[one.id] = one
        return 201, {"Id": one.id, "Warnings": []}

    def _of(self, one: Container, method: str, what: str, query: dict[str, list[str]]) -> Answer:
        if (method, what) == ("GET", "/json"):
            return 200, one.inspected()
        if (method, what) == ("GET", "/logs"):
            wanted = query["stdout"][0] in {"1", "True"}
            return 200, b"\x01\0\0\0" + len(one.log).to_bytes(4, "big") + one.log if wanted else b""
        if (method, what) == ("POST", "/start"):
            self._start(one)
        elif (method, what) == ("POST", "/stop"):
            one.end()
            one.status = "exited"
        elif (method, what) == ("DELETE", ""):
            self._remove(one)
        else:
            return 404, {"message": "page not found"}
        return 204, b""

    def _start(self, one: Container) -> None:
        if "ryuk" in one.image:
            self._reap(one)
        elif self.ends_at_start:
            one.status, one.log = "exited", self.ends_at_start
            return
        else:
            (bound,) = one.asked["HostConfig"]["PortBindings"][_KAFKA_PORT]
            assert bound["HostIp"] == "127.0.0.1"
            one.ports[_KAFKA_PORT] = int(bound["HostPort"])
            volume = next((each.split(":")[0] for each in one.volumes), one.id)
            folder = self.folder / volume
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "ports.json").write_text(json.dumps([one.ports[_KAFKA_PORT], free_ports(1)[0]]))
            broker = EmbeddedBroker(folder)
            launched = self._starting.submit(broker.launch, ready_jars())  # Docker does not wait for it either

            def end() -> None:
                launched.result()
                broker.stop()

            one.end = end
        one.status = "running"

    def _reap(self, one: Container) -> None:
        server = socket.create_server(("127.0.0.1", 0))
        one.ports[_REAPER_PORT] = server.getsockname()[1]
        one.log = b"2026/01/01 00:00:00 Started!\n"

        def wait() -> None:
            with server:
                client, _ = server.accept()
                with client:
                    wanted = client.recv(4096).decode().strip()
                    client.sendall(b"ACK\n")
                    with suppress(ConnectionError):
                        while client.recv(4096):
                            pass
            session = wanted.partition("label=")[2].partition("&")[0]
            for each in [*self.containers.values()]:
                labels = each.asked.get("Labels") or {}
                if session in {f"{name}={value}" for name, value in labels.items()}:
                    self._remove(each)

        threading.Thread(target=wait, daemon=True).start()

    def _remove(self, one: Container) -> None:
        one.end()
        with self._lock:
            if self.containers.pop(one.id, None) is not None:
                self.removed.append(one)


def _missing(name: str) -> Answer:
    return 404, {"message": f"No such image or container: {name}"}


@contextmanager
def docker(folder: Path) -> Iterator[tuple[Docker, str]]:
    """A daemon and its address, as DOCKER_HOST takes it."""
    daemon = Docker(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null") or {}
            status, told = daemon.answer(self.command, url.path, parse_qs(url.query), body)
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(told, bytes) else "application/json")
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield daemon, f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        daemon.close()
        server.shutdown()
        server.server_close()
