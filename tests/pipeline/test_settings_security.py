"""Settings of TLS and logins: what belongs together is taken, every other combination is refused in one line."""

from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security
from pipeline.settings.env import as_environment
from pipeline.settings.security import SecuritySettings
from pipeline.settings.settings import Settings, load_settings

pytestmark = pytest.mark.usefixtures("no_settings")

SCRAM = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "anonymize", "sasl_password_file": "/run/password"}
TOKEN = {"sasl_mechanism": "OAUTHBEARER", "sasl_token_command": "token-of me"}
GRANT = {
    "sasl_mechanism": "OAUTHBEARER",
    "sasl_token_url": "https://login.example.com/token",
    "sasl_client_id": "footfall",
    "sasl_client_secret_file": "/run/secret",
    "sasl_scope": "kafka",
}
TLS = {"tls_ca_file": "/run/ca.pem", "tls_cert_file": "/run/cert.pem", "tls_key_file": "/run/key.pem"}
GOOD = [
    {"security_protocol": "PLAINTEXT"},
    {"security_protocol": "SSL"},
    {"security_protocol": "ssl", **TLS},
    {"security_protocol": "SSL", "tls_cert_file": "/run/both.pem"},
    {"security_protocol": "SASL_PLAINTEXT", **SCRAM},
    {"security_protocol": "SASL_SSL", **SCRAM, **TLS},
    {"security_protocol": "SASL_SSL", **SCRAM, "sasl_mechanism": "PLAIN"},
    {"security_protocol": "SASL_SSL", **SCRAM, "sasl_mechanism": "scram-sha-256"},
    {"security_protocol": "SASL_SSL", **TOKEN},
    {"security_protocol": "SASL_SSL", **GRANT, **TLS},
]


def named(given: dict[str, str]) -> str:
    return "+".join(f"{name}={value}" for name, value in given.items())


@pytest.mark.parametrize("given", GOOD, ids=named)
def test_what_belongs_together_is_taken_and_handed_on_to_a_worker(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    settings = load_settings(brokers="a:1", **given)
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(f"FOOTFALL_{name}", value)
    assert load_settings().security() == settings.security()
    assert load_settings().connection().security == settings.security()


def test_every_setting_of_it_is_in_some_good_combination_and_reaches_the_client() -> None:
    assert {name for given in GOOD for name in given} == set(SecuritySettings.model_fields)
    for name in SecuritySettings.model_fields:
        field = name.removeprefix("security_").removeprefix("sasl_").removeprefix("tls_")
        used = [given for given in GOOD if name in given]
        found = [getattr(load_settings(**given).security(), field) for given in used]
        assert [str(each) for each in found] == [
            given[name].upper() if name in {"security_protocol", "sasl_mechanism"} else given[name] for given in used
        ]


def test_by_default_there_is_neither_tls_nor_a_login() -> None:
    assert load_settings().security() == Security()
    assert (
        load_settings(security_protocol="SASL_SSL", **SCRAM)
        .model_copy(update=SecuritySettings.no_security())
        .security()
        == Security()
    )


@pytest.mark.parametrize(
    ("given", "what", "do"),
    [
        ({"security_protocol": "TLS"}, "bad setting security_protocol ('TLS')", "'PLAINTEXT', 'SSL', 'SASL_PLAIN"),
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL without FOOTFALL_SASL_MECHANISM", "set that to PLAIN, SCRAM"),
        ({"security_protocol": "SASL_SSL", **SCRAM, "sasl_mechanism": "GSSAPI"}, "('GSSAPI')", "'PLAIN'"),
        ({**SCRAM}, "FOOTFALL_SASL_MECHANISM is set, but FOOTFALL_SECURITY_PROTOCOL is PLAINTEXT", "to SASL_SSL"),
        ({"security_protocol": "SSL", **TOKEN}, "FOOTFALL_SASL_MECHANISM is set, but", "set that to SASL_SSL"),
        ({**TLS}, "FOOTFALL_TLS_CA_FILE is set, but FOOTFALL_SECURITY_PROTOCOL is PLAINTEXT", "set that to SSL"),
        ({"security_protocol": "SASL_PLAINTEXT", **SCRAM, **TLS}, "FOOTFALL_TLS_CA_FILE is set", "to SASL_SSL"),
        ({"security_protocol": "SSL", "tls_key_file": "/k"}, "without a certificate", "set FOOTFALL_TLS_CERT_FILE"),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "a"},
            "FOOTFALL_SASL_PASSWORD_FILE is not set, but a login by PLAIN needs it",
            "set it",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_password_file": "/p"},
            "FOOTFALL_SASL_USERNAME is not set",
            "set it",
        ),
        (
            {"security_protocol": "SASL_SSL", **SCRAM, "sasl_token_command": "x"},
            "FOOTFALL_SASL_TOKEN_COMMAND is set, but FOOTFALL_SASL_MECHANISM is SCRAM-SHA-512",
            "unset FOOTFALL_SASL_TOKEN_COMMAND",
        ),
        (
            {"security_protocol": "SASL_SSL", **TOKEN, "sasl_username": "a"},
            "FOOTFALL_SASL_USERNAME is set, but FOOTFALL_SASL_MECHANISM is OAUTHBEARER",
            "unset FOOTFALL_SASL_USERNAME",
        ),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"},
            "nothing gives a token",
            "set FOOTFALL_SASL_TOKEN_COMMAND, or FOOTFALL_SASL_TOKEN_URL",
        ),
        (
            {"security_protocol": "SASL_SSL", **GRANT, "sasl_token_command": "x"},
            "FOOTFALL_SASL_TOKEN_URL is set together with FOOTFALL_SASL_TOKEN_COMMAND",
            "unset one",
        ),
        (
            {"security_protocol": "SASL_SSL", **TOKEN, "sasl_scope": "x"},
            "FOOTFALL_SASL_SCOPE is set together with FOOTFALL_SASL_TOKEN_COMMAND",
            "unset one",
        ),
        (
            {name: value for name, value in GRANT.items() if name != "sasl_client_id"}
            | {"security_protocol": "SASL_SSL"},
            "FOOTFALL_SASL_CLIENT_ID is not set",
            "set it",
        ),
        ({"security_protocol": "SASL_SSL", **GRANT, "sasl_token_url": "http://a.example/"}, "bad", "https://"),
        ({"security_protocol": "SASL_SSL", **GRANT, "sasl_token_url": "https://u:pw@a/"}, "bad", "without user"),
        ({"security_protocol": "SASL_SSL", **SCRAM, "sasl_username": "a\nb"}, "sasl_username", "one line"),
    ],
    ids=lambda given: named(given) if isinstance(given, dict) else None,
)
def test_any_other_combination_is_refused_by_what_to_set(given: dict[str, str], what: str, do: str) -> None:
    with pytest.raises(StartupError) as caught:
        load_settings(**given)
    assert what in caught.value.what
    assert do in caught.value.do
    assert "pw" not in str(caught.value)


def test_a_command_that_may_hold_a_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTFALL_SASL_TOKEN_COMMAND", "echo s3cr3t\n-token")
    with pytest.raises(StartupError) as caught:
        load_settings()
    assert "FOOTFALL_SASL_TOKEN_COMMAND" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_the_key_of_a_certificate_is_no_key_that_aggregate_must_not_hold() -> None:
    given = load_settings(security_protocol="SSL", pseudonym_key="ab" * 32, **TLS)
    assert given.without_keys().tls_key_file == Path("/run/key.pem")
    assert given.without_keys().pseudonym_key is None
    assert "tls_key_file" in Settings.model_fields
