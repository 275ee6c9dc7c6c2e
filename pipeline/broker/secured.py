"""A broker that asks everybody who they are: its certificates, the passwords of the roles, and its settings for both.

Clients come by TLS and log in by SCRAM as the role that they are. The node itself, and who sets the rules of access,
comes by a listener of its own on loopback, and proves who it is by a certificate that only this folder has.
"""

import datetime as dt
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.broker.certificates import Certified
from pipeline.broker.properties import HOST
from pipeline.kafka.connection import Connection, Security
from schemas.flow import ROLES

__all__ = ["Secured", "secured"]

MECHANISM: Final = "SCRAM-SHA-512"
_FOLDER: Final = "security"
"""In the node's folder, and named from there: see :mod:`pipeline.broker.embedded`."""
_NAME: Final = "broker"
_HOSTS: Final = (HOST, "localhost", "::1")
_PROPERTIES: Final = {
    "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
    "inter.broker.listener.name": "INTERNAL",
    "sasl.enabled.mechanisms": MECHANISM,
    "listener.name.clients.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": f"{_FOLDER}/broker.pem",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": f"{_FOLDER}/ca.pem",
    "listener.name.internal.ssl.client.auth": "required",
    "listener.name.controller.ssl.client.auth": "required",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:CN={_NAME}",
    "allow.everyone.if.no.acl.found": "false",
}


@dataclass(frozen=True, slots=True)
class Secured:
    """What is in ``folder``: ``ca.pem``, ``broker.pem`` (key and certificate), and a password file for each role."""

    folder: Path

    @property
    def properties(self) -> Mapping[str, str]:
        """Settings of the broker that go before its others."""
        return _PROPERTIES

    @property
    def passwords(self) -> Mapping[str, str]:
        """Role to password."""
        return {role: self.password_file(role).read_text("ascii").strip() for role in ROLES}

    @property
    def ca_file(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.pem"

    def password_file(self, role: str) -> Path:
        """The file that holds a role's password."""
        return self.folder / f"{role}.password"

    def settings(self, role: str) -> dict[str, Any]:
        """What a role sets to log in, by the names of our settings."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": MECHANISM,
            "sasl_username": role,
            "sasl_password_file": self.password_file(role),
            "tls_ca_file": self.ca_file,
        }

    def own(self, address: str) -> Connection:
        """The connection of the node itself to its own listener; nothing is denied to it."""
        return Connection(address, Security("SSL", ca_file=self.ca_file, cert_file=self.folder / "broker.pem"))


def secured(node: Path) -> Secured:
    """What a broker in the folder ``node`` needs, made where it is missing; secrets are their owner's alone."""
    folder = node / _FOLDER
    folder.mkdir(0o700, parents=True, exist_ok=True)
    if not (folder / "broker.pem").exists():
        now = dt.datetime.now(dt.UTC)
        authority = Certified.authority("Footfall up", now)  # its key is kept nowhere: nobody else is ever signed
        broker = authority.signed(_NAME, _HOSTS, now)
        _write(folder / "ca.pem", authority.pem(), 0o644)
        _write(folder / "broker.pem", broker.key_pem() + broker.pem(), 0o600)
    for role in ROLES:
        if not (folder / f"{role}.password").exists():
            _write(folder / f"{role}.password", f"{secrets.token_hex(24)}\n".encode(), 0o600)
    return Secured(folder.absolute())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all."""
    begun = path.with_name(f".{path.name}")
    begun.unlink(missing_ok=True)
    handle = os.open(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    begun.replace(path)
