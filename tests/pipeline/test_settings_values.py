"""Bad addresses and folders are refused with the form that is wanted; good ones every client reads alike."""

import os
from pathlib import Path

import pytest
from aiokafka.conn import collect_hosts
from faust.transport.drivers.aiokafka import server_list
from yarl import URL

from pipeline.errors import StartupError
from pipeline.settings.settings import load_settings

pytestmark = pytest.mark.usefixtures("no_settings")


def refusal(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(f"FOOTFALL_{name}", value)
    with pytest.raises(StartupError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"bad setting FOOTFALL_{name} (")
    assert "\n" not in line
    assert len(line) < 300
    return line


@pytest.mark.parametrize(
    ("brokers", "said"),
    [
        ("a:99999", "99999 is no port from 1 to 65535"),
        ("a:0", "0 is no port"),
        ("a:", "nothing is no port"),
        ("a:٩٠٩٢", "no port"),
        ("somewhere", "somewhere names no port"),
        ("PLAINTEXT://a:9092", "so write a:9092"),
        ("PLAINTEXT://a:9092,PLAINTEXT://b:9092", "so write a:9092,b:9092"),
        ("http://a:9092/topics", "so write a:9092"),
        ("http://a", "without http://"),
        ("SASL_SSL://a:9093", "so write a:9093, and SASL_SSL to FOOTFALL_SECURITY_PROTOCOL"),
        ("ftp://a:21", "FTP is none"),
        ("a:1;b:2", "so write a:1,b:2"),
        ("a:1 b:2", "so write a:1,b:2"),
        ("a:1,", "so write a:1"),
        (",", "an empty address names no port"),
        ("::1:9092", "an IPv6 address stands in brackets"),
        ("[fe80::1%eth0]:9092", "is no host"),
        ("a..b:9092", "a..b is no host"),
        (f"{'a' * 64}:9092", "is no host"),
        ("ü.example:9092", "is no host"),
    ],
)
def test_brokers_of_another_form_are_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, brokers: str, said: str
) -> None:
    line = refusal(monkeypatch, "BROKERS", brokers)
    assert "must be host:port, several separated by commas" in line
    assert said in line


@pytest.mark.parametrize("brokers", ["http://user:pass-7@a:9092", "user:pass-7@a:9092", "user:pass-7@a"])
def test_a_password_in_brokers_is_not_shown(monkeypatch: pytest.MonkeyPatch, brokers: str) -> None:
    assert "pass-7" not in refusal(monkeypatch, "BROKERS", brokers)


@pytest.mark.parametrize(
    ("brokers", "hosts"),
    [
        ("127.0.0.1:1, kafka_1.example.:65535", [("127.0.0.1", 1), ("kafka_1.example.", 65535)]),
        ("[::1]:9092,[2001:db8::2]:9093", [("::1", 9092), ("2001:db8::2", 9093)]),
    ],
)
def test_good_brokers_are_read_alike_by_both_clients(
    monkeypatch: pytest.MonkeyPatch, brokers: str, hosts: list[tuple[str, int]]
) -> None:
    monkeypatch.setenv("FOOTFALL_BROKERS", brokers)
    taken = load_settings().brokers
    assert taken is not None
    assert [each[:2] for each in collect_hosts(taken, randomize=False)] == hosts
    urls = [URL(f"footfall://{address}") for address in taken.split(",")]
    assert [each[:2] for each in collect_hosts(server_list(urls, 9092), randomize=False)] == hosts


def test_empty_brokers_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_BROKERS", " ")
    assert load_settings().brokers is None


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("", "such as 127.0.0.1"),
        ("0.0.0.0:9464", "so write 0.0.0.0, and its port to FOOTFALL_METRICS_PORT"),
        ("[::]:9464", "so write ::, and"),
        ("http://127.0.0.1", "such as 127.0.0.1"),
        ("here and there", "such as 127.0.0.1"),
        ("a" * 64, "such as 127.0.0.1"),
    ],
)
def test_a_metrics_host_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch, host: str, said: str) -> None:
    assert said in refusal(monkeypatch, "METRICS_HOST", host)


@pytest.mark.parametrize(("host", "taken"), [("[::1]", "::1"), ("::", "::"), (" localhost ", "localhost")])
def test_a_good_metrics_host_is_taken(monkeypatch: pytest.MonkeyPatch, host: str, taken: str) -> None:
    monkeypatch.setenv("FOOTFALL_METRICS_HOST", host)
    assert load_settings().metrics_host == taken


@pytest.mark.parametrize("name", ["DATA_DIR", "PSEUDONYM_KEY_FILE"])
@pytest.mark.parametrize(
    ("path", "said"), [("", "not be set at all"), ("~/x", "a whole path"), (os.fsdecode(b"/tmp/\xff"), "in UTF-8")]
)
def test_a_path_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, path: str, said: str) -> None:
    assert said in refusal(monkeypatch, name, path)


def test_a_zero_byte_in_a_path_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "footfall.toml").write_text('data_dir = "a\\u0000b"\n')
    with pytest.raises(StartupError, match="zero byte"):
        load_settings()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300", "07:32:00", "1979-05-27", "[1]", "{a = 1}", "true"])
@pytest.mark.parametrize("name", ["grace_hour", "data_dir", "partitions", "brokers"])
def test_values_of_other_types_in_the_file_are_refused_in_a_line(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "footfall.toml").write_text(f"{name} = {value}\n")
    with pytest.raises(StartupError, match=f"bad setting {name} in the settings file"):
        load_settings()
