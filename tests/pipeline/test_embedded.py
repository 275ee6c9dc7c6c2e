import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pipeline.broker import jars
from pipeline.broker.embedded import EmbeddedBroker, embedded, free_ports
from pipeline.broker.jars import Jar, locked_jars, ready_jars
from pipeline.broker.topics import apply, diff
from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings
from tests.web import answering

CONTENT = b"a jar"
ONE = Jar(hashlib.sha256(CONTENT).hexdigest(), "org.example", "thing", "1.0")


@contextmanager
def repository(body: bytes | None) -> Iterator[str]:
    """A Maven repository on loopback that answers every question with ``body``, or with 404."""

    def answer(path: str) -> tuple[int, bytes]:
        found = body is not None and path.endswith("/org/example/thing/1.0/thing-1.0.jar")
        return (200, body) if found and body is not None else (404, b"")

    with answering(answer) as address:
        yield f"http://{address}/maven"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it, and a lock of one jar."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "JGO_CONFIG_FILE", "M2_REPO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jars, "locked_jars", lambda: [ONE])
    return tmp_path


def mirror(home: Path, url: str) -> None:
    (home / ".m2").mkdir(exist_ok=True)
    (home / ".m2" / "settings.xml").write_text(
        '<settings xmlns="urn:settings"><mirrors><mirror><id>m</id>'
        f"<mirrorOf>central</mirrorOf><url>{url}</url></mirror></mirrors></settings>"
    )


def test_the_lock_names_the_broker_and_a_sum_for_every_jar() -> None:
    locked = locked_jars()
    assert ("org.apache.kafka", "kafka_2.13", "4.1.1") in {jar[1:] for jar in locked}
    assert len({jar.filename for jar in locked}) == len(locked)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in locked)


def test_a_jar_comes_from_the_mirror_once_and_is_mended_when_damaged(home: Path) -> None:
    with repository(CONTENT) as url:
        mirror(home, url)
        seen: list[tuple[int, int]] = []
        (path,) = ready_jars(lambda done, total: seen.append((done, total)))
        assert seen == [(1, 1)]
        assert path.read_bytes() == CONTENT
        path.write_bytes(b"damaged")
        assert ready_jars() == [path]
        assert path.read_bytes() == CONTENT
    assert ready_jars() == [path]
    assert [entry.name for entry in path.parent.iterdir()] == [ONE.filename]


def test_a_jar_may_come_from_jgos_own_settings(home: Path) -> None:
    with repository(CONTENT) as url, repository(None) as nothing:
        mirror(home, nothing)
        (home / ".jgorc").write_text(f"[repositories]\nown = {url}\n")
        assert ready_jars()[0].read_bytes() == CONTENT


def test_a_jar_with_another_sum_is_refused_and_not_kept(home: Path) -> None:
    with repository(b"something else") as url:
        mirror(home, url)
        with pytest.raises(StartupError, match=r"thing-1\.0\.jar is not the file that the lock names"):
            ready_jars()
    assert not list(jars.cache_folder().iterdir())


def test_a_repository_that_has_nothing_or_is_not_there_is_refused(home: Path) -> None:
    with repository(None) as url:
        mirror(home, url)
        with pytest.raises(StartupError, match="cannot fetch Apache Kafka"):
            ready_jars()
    with pytest.raises(StartupError, match="cannot fetch Apache Kafka"):
        ready_jars()


@pytest.mark.parametrize("home", ["/proc/1/none", "a/file", "relative", None], ids=str)
def test_a_home_that_is_no_folder_is_refused_with_what_to_set(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    elif home == "a/file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(StartupError, match="set XDG_CACHE_HOME"):
        ready_jars()


def test_without_a_home_the_named_cache_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    kept = home / "cache" / "footfall" / "kafka" / ONE.filename
    kept.parent.mkdir(parents=True)
    kept.write_bytes(CONTENT)
    assert ready_jars() == [kept]


def test_a_cache_that_a_class_path_cannot_name_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "a:b"))
    with pytest.raises(StartupError, match="XDG_CACHE_HOME"):
        ready_jars()


def test_unreadable_settings_of_jgo_are_refused(home: Path) -> None:
    (home / ".jgorc").write_text("no section\n")
    with pytest.raises(StartupError, match="jgo"):
        ready_jars()


@pytest.mark.broker
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
async def test_a_folder_may_have_any_name_in_any_locale(
    locale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    folder = tmp_path / "größe, a=b [x] \\ #1"
    async with embedded(folder) as address:
        settings = load_settings(brokers=address, partitions=1)
        assert await apply(settings)
    assert (folder / "data" / "meta.properties").exists()
    async with embedded(folder) as address:
        assert await diff(load_settings(brokers=address, partitions=1)) == []


@pytest.mark.broker
async def test_a_second_start_goes_on_with_data_and_port(tmp_path: Path, prefix: str) -> None:
    folder = tmp_path / "kafka"
    async with embedded(folder) as address:
        settings = load_settings(brokers=address, topic_prefix=prefix, partitions=1)
        await apply(settings)
    broker = EmbeddedBroker(folder)
    assert await broker.start_async() == address
    try:
        assert await diff(settings) == []
        process = broker.process
        broker.send_signal(signal.SIGSTOP)
        broker.stop()  # wakes it first, else it would have to be killed
        assert process is not None
        assert process.returncode not in (None, -signal.SIGKILL)
    finally:
        broker.stop()


@pytest.mark.broker
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.broker.embedded import EmbeddedBroker;"
        "b = EmbeddedBroker(Path(sys.argv[1])); b.start(); print(b.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        os.kill(starter.pid, signal.SIGKILL)
        psutil.wait_procs([child], timeout=30)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.broker
async def test_a_folder_that_kafka_cannot_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StartupError):
        await EmbeddedBroker(tmp_path).start_async()


@pytest.mark.broker
@pytest.mark.parametrize("name", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"])
async def test_a_java_that_does_not_start_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "-XX:NoSuchOption")
    with pytest.raises(StartupError, match="Unrecognized VM option 'NoSuchOption'"):
        await EmbeddedBroker(tmp_path).start_async()


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(10))) == 10
