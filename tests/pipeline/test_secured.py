"""What a secured broker's folder holds: certificates that fit, passwords for every role, for one user's eyes alone."""

import ssl
from pathlib import Path

from cryptography import x509

from pipeline.broker.java import kafka_tool
from pipeline.broker.secured import secured
from pipeline.cli.up import exported, logins
from pipeline.kafka.login import Login
from pipeline.settings.settings import load_settings
from pipeline.stack import _environments
from schemas.flow import OPERATOR, ROLES


def test_it_is_made_once_and_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    access = secured(tmp_path / "broker")
    before = {path.name: path.read_bytes() for path in access.folder.iterdir()}
    assert before.keys() == {"ca.pem", "broker.pem", *(f"{role}.password" for role in ROLES)}
    assert access.folder.stat().st_mode & 0o777 == 0o700
    for name in before.keys() - {"ca.pem"}:
        assert (access.folder / name).stat().st_mode & 0o777 == 0o600
    assert len(set(access.passwords.values())) == len(ROLES)
    assert secured(tmp_path / "broker") == access
    assert {path.name: path.read_bytes() for path in access.folder.iterdir()} == before


def test_its_certificate_is_signed_by_what_clients_trust_for_this_machine_alone(tmp_path: Path) -> None:
    access = secured(tmp_path)
    context = Login(access.own("127.0.0.1:1").security).shown().context
    assert isinstance(context, ssl.SSLContext)
    ca, own = (x509.load_pem_x509_certificate((access.folder / name).read_bytes()) for name in ("ca.pem", "broker.pem"))
    own.verify_directly_issued_by(ca)
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert not ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment


def test_each_worker_logs_in_as_itself_and_no_password_is_told(tmp_path: Path) -> None:
    access = secured(tmp_path / "broker")
    settings = load_settings(brokers="127.0.0.1:1", pseudonym_key="ab" * 32).model_copy(
        update=access.settings(OPERATOR)
    )
    for kind, given in _environments(settings, access):
        assert given["SASL_USERNAME"] == kind
        assert given["SASL_PASSWORD_FILE"] == str(access.password_file(kind))
        assert ("PSEUDONYM_KEY" in given) == (kind == "anonymize")
        assert load_settings(**{name.lower(): value for name, value in given.items()}).security().has_tls
    told = " ".join([*logins(access).values(), exported(load_settings(), settings)])
    assert not [password for password in access.passwords.values() if password in told]
    assert all(f"FOOTFALL_SASL_USERNAME={role}" in told for role in ROLES)


def test_a_tool_is_told_passwords_in_a_file_that_goes(tmp_path: Path) -> None:
    done = kafka_tool([tmp_path / "none.jar"], tmp_path, "none.Such", '--password=s3cr3t \\ "x"')
    assert done.returncode
    assert not list(tmp_path.iterdir())
    assert "s3cr3t" not in " ".join(done.args)
