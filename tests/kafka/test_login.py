"""What a login shows: files are read again where they change, a half-replaced pair is waited out, refusals are told."""

import datetime as dt
import errno
import ssl
from pathlib import Path

import pytest
from aiokafka import errors as kafka

from pipeline.broker.certificates import Certified
from pipeline.errors import StartupError
from pipeline.kafka.connection import Connection, Security
from pipeline.kafka.login import Login, login_for
from pipeline.kafka.refusals import why_refused

NOW = dt.datetime.now(dt.UTC)
AUTHORITY = Certified.authority("an authority", NOW)
SCRAM = Security("SASL_SSL", "SCRAM-SHA-512", "anonymize", Path("/run/password"))


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    begun = folder / f".{name}"
    begun.write_bytes(content)
    begun.replace(path)
    return path


def test_a_password_is_read_again_where_its_file_was_replaced(tmp_path: Path) -> None:
    file = written(tmp_path, "password", b"first\n")
    login = Login(Security("SASL_PLAINTEXT", "SCRAM-SHA-256", "a", file))
    assert login.shown() == (None, "first")
    written(tmp_path, "password", b"second")
    assert login.shown() == (None, "second")
    file.unlink()  # as between the two steps of a replacement
    assert login.shown() == (None, "second")
    written(tmp_path, "password", b"third\n")
    assert login.shown() == (None, "third")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"two\nlines", b"a\0b"])
def test_what_cannot_be_a_secret_is_refused_and_not_told(tmp_path: Path, content: bytes) -> None:
    file = written(tmp_path, "password", content)
    with pytest.raises(StartupError, match=r"FOOTFALL_SASL_PASSWORD_FILE names, .*, holds no secret") as caught:
        Login(Security("SASL_PLAINTEXT", "PLAIN", "a", file)).shown()
    assert "lines" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="none, cannot be read: mend that"):
        Login(Security("SASL_PLAINTEXT", "PLAIN", "a", tmp_path / "none")).shown()
    with pytest.raises(StartupError, match=r"FOOTFALL_TLS_CA_FILE names, .*No such file"):
        Login(Security("SSL", ca_file=tmp_path / "none")).shown()


def test_certificates_are_read_again_once_both_files_are_replaced(tmp_path: Path) -> None:
    first, second = (AUTHORITY.signed("client", ("client.example",), NOW) for _ in range(2))
    ca = written(tmp_path, "ca.pem", AUTHORITY.pem())
    cert, key = written(tmp_path, "cert.pem", first.pem()), written(tmp_path, "key.pem", first.key_pem())
    login = Login(Security("SSL", ca_file=ca, cert_file=cert, key_file=key))
    before = login.shown().context
    assert isinstance(before, ssl.SSLContext)
    assert before.check_hostname
    assert before.verify_mode is ssl.CERT_REQUIRED
    assert login.shown().context is before
    written(tmp_path, "cert.pem", second.pem())
    assert login.shown().context is before
    written(tmp_path, "key.pem", second.key_pem())
    assert login.shown().context is not before


def test_a_key_of_another_certificate_and_no_pem_are_refused(tmp_path: Path) -> None:
    first, second = (AUTHORITY.signed("client", (), NOW) for _ in range(2))
    cert, key = written(tmp_path, "cert.pem", first.pem()), written(tmp_path, "key.pem", second.key_pem())
    for security in (
        Security("SSL", cert_file=cert, key_file=key),
        Security("SSL", cert_file=cert),
        Security("SSL", ca_file=written(tmp_path, "ca.pem", b"no PEM")),
    ):
        with pytest.raises(StartupError, match=r"cannot be used \(it is no such PEM file\): name PEM files"):
            Login(security).shown()


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def tls(kind: type[ssl.SSLError], reason: str, **more: object) -> ssl.SSLError:
    error = kind(1, reason)
    error.reason = reason
    for name, value in more.items():
        setattr(error, name, value)
    return error


CLOSED = kafka.KafkaConnectionError("closed")
UNTRUSTED = {"verify_code": 19, "verify_message": "self-signed certificate in certificate chain"}


@pytest.mark.parametrize(
    ("error", "what", "do"),
    [
        (kafka.SaslAuthenticationFailed("x"), "refuse the login of anonymize", "what FOOTFALL_SASL_PASSWORD_FILE"),
        (kafka.UnsupportedSaslMechanismError("x"), "takes no login by SCRAM-SHA-512", "FOOTFALL_SASL_MECHANISM"),
        (kafka.IllegalSaslStateError("x"), "a:1 takes no login", "FOOTFALL_SECURITY_PROTOCOL to SSL"),
        (ValueError("Server sent wrong signature!"), "answers the login otherwise", "somebody may claim"),
        (
            tls(ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED", **UNTRUSTED),
            "is not trusted (self-signed certificate in certificate chain)",
            "FOOTFALL_TLS_CA_FILE",
        ),
        (
            tls(
                ssl.SSLCertVerificationError, "CERTIFICATE_VERIFY_FAILED", verify_code=64, verify_message="IP mismatch"
            ),
            "is made for another name",
            "FOOTFALL_BROKERS",
        ),
        (tls(ssl.SSLError, "WRONG_VERSION_NUMBER"), "a:1 does not speak TLS", "FOOTFALL_SECURITY_PROTOCOL"),
        (
            caused(CLOSED, tls(ssl.SSLError, "TLSV13_ALERT_CERTIFICATE_REQUIRED")),
            "refuses this program's certificate (tlsv13 alert certificate required)",
            "FOOTFALL_TLS_CERT_FILE",
        ),
        (tls(ssl.SSLError, "UNSUPPORTED_PROTOCOL"), "no TLS with the broker at a:1", "version of TLS"),
    ],
)
def test_a_refused_login_or_certificate_is_one_line_with_what_to_mend(error: BaseException, what: str, do: str) -> None:
    refusal = why_refused(error, SCRAM, "a:1")
    assert refusal is not None
    assert what in refusal.what
    assert do in refusal.do


@pytest.mark.parametrize(
    "error",
    [
        kafka.KafkaConnectionError("away"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        TimeoutError(),
        tls(ssl.SSLEOFError, "UNEXPECTED_EOF_WHILE_READING"),
    ],
)
def test_brokers_that_are_away_refuse_nothing(error: BaseException) -> None:
    assert why_refused(error, SCRAM, "a:1") is None


def test_a_refusal_is_borne_for_a_while_and_forgotten_when_a_broker_takes_the_login() -> None:
    now = [100.0]
    login = Login(SCRAM, lambda: now[0])
    assert login.refused(kafka.KafkaConnectionError("away"), "a", 1) is None
    login.require()
    refusal = login.refused(kafka.SaslAuthenticationFailed("x"), "a", 1)
    now[0] += 10
    login.require()
    login.refused(kafka.SaslAuthenticationFailed("x"), "a", 1)
    now[0] += 6
    with pytest.raises(StartupError) as caught:
        login.require()
    assert str(caught.value) == str(refusal)
    login.accepted()
    login.require()


def test_there_is_one_login_for_all_clients_and_none_without_security() -> None:
    assert login_for(Connection("a:1").security) is None
    assert login_for(SCRAM) is login_for(Connection("b:2", SCRAM).security)
