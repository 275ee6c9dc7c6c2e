"""What a connection shows to a broker: certificates and passwords, read again where their files have changed."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security, Where, connection_to
from pipeline.kafka.refusals import why_refused
from pipeline.kafka.secret import secret_in
from pipeline.kafka.tokens import Tokens

__all__ = ["Login", "Shown", "last_refusal", "login_for", "refusal_at", "require_login"]

_PATIENCE_SECONDS: Final = 15.0
"""For so long a login may be refused while others go on, as while a password is changed on both sides."""


class Shown(NamedTuple):
    """What one new connection is made with."""

    context: ssl.SSLContext | None
    password: str


class _Fresh:
    """Something made of files, made anew where one of them is another than before.

    Where that fails, as between the replacements of a certificate and of its key, the former one is gone on with.
    """

    def __init__(self, make: Callable[[], Any], *files: Path | None) -> None:
        self._make = make
        self._files = [file for file in files if file is not None]
        self._marks: list[tuple[int, int, int]] | None = None
        self._made: Any = None

    def get(self) -> Any:
        """Raises StartupError where it cannot be made and never was."""
        marks = [_mark(file) for file in self._files]
        if marks != self._marks:
            try:
                self._made = self._make()
            except StartupError:
                if self._marks is None:
                    raise
            else:
                self._marks = marks
        return self._made


def _mark(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino


class Login:
    """One for all clients of a :class:`Security`; it remembers whether the brokers refused it last."""

    def __init__(self, security: Security, clock: Callable[[], float] = time.monotonic) -> None:
        self.security = security
        self.refusal: StartupError | None = None
        """Why no connection was made last; None where one was."""
        self._clock = clock
        self._since = 0.0
        self._tokens = Tokens(security) if security.mechanism == "OAUTHBEARER" else None
        self._context = _Fresh(self._new_context, security.ca_file, security.cert_file, security.key_file)
        self._password = _Fresh(self._new_password, security.password_file)

    def options(self) -> dict[str, Any]:
        """What a client is told. The login itself stands in place of the TLS context: see ``patches.connecting``."""
        security = self.security
        options: dict[str, Any] = {"security_protocol": security.protocol, "ssl_context": self}
        if security.has_login:
            options |= {"sasl_mechanism": security.mechanism, "sasl_plain_username": security.username}
            options |= {"sasl_plain_password": "", "sasl_oauth_token_provider": self._tokens}
        return options

    def shown(self) -> Shown:
        """What a new connection is to show now; raises StartupError where a file cannot be used."""
        return Shown(self._context.get() if self.security.has_tls else None, self._password.get())

    def accepted(self) -> None:
        """A broker took it."""
        self.refusal = None

    def refused(self, error: BaseException, host: str, port: int) -> StartupError | None:
        """Why a connection was not made; None where it is neither for the login nor for a certificate."""
        refusal = error if isinstance(error, StartupError) else why_refused(error, self.security, f"{host}:{port}")
        if refusal is not None:
            if self.refusal is None:
                self._since = self._clock()
            if self._tokens is not None:
                self._tokens.forget()
            self.refusal = refusal
        return refusal

    def require(self) -> None:
        """Raises the refusal where no broker has taken it for a while."""
        if self.refusal is not None and self._clock() - self._since > _PATIENCE_SECONDS:
            raise self.refusal

    def _new_password(self) -> str:
        file = self.security.password_file
        return "" if file is None else secret_in("FOOTFALL_SASL_PASSWORD_FILE", file)

    def _new_context(self) -> ssl.SSLContext:
        security = self.security
        try:
            context = ssl.create_default_context(cafile=security.ca_file)
        except (OSError, ValueError) as error:
            raise _unusable("FOOTFALL_TLS_CA_FILE", security.ca_file, error) from None
        if security.cert_file is not None:
            try:
                context.load_cert_chain(security.cert_file, security.key_file, _no_password)
            except (OSError, ValueError) as error:
                raise _unusable("FOOTFALL_TLS_CERT_FILE or FOOTFALL_TLS_KEY_FILE", security.cert_file, error) from None
        return context


def _no_password() -> str:
    raise StartupError(
        "the key of FOOTFALL_TLS_KEY_FILE is encrypted", "put it there without a password, readable by one user"
    )


def _unusable(name: str, file: Path | None, error: Exception) -> StartupError:
    why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return StartupError(
        f"the file that {name} names, {file}, cannot be used ({why or 'it is no such PEM file'})",
        "name PEM files that this user can read, the key that of the certificate",
    )


_LOGINS: Final[dict[Security, Login]] = {}


def login_for(security: Security) -> Login | None:
    """The one login of this process for ``security``; None where connections are neither encrypted nor logged in."""
    if security.protocol == "PLAINTEXT":
        return None
    return _LOGINS.setdefault(security, Login(security))


def refusal_at(where: Where) -> StartupError | None:
    """Why the brokers refused this program's last login there; None where they did not."""
    login = login_for(connection_to(where).security)
    return None if login is None else login.refusal


def require_login(where: Where) -> None:
    """Raises StartupError where brokers have refused the login for a while."""
    login = login_for(connection_to(where).security)
    if login is not None:
        login.require()


def last_refusal() -> StartupError | None:
    """The refusal of any login of this process; None where brokers took what was shown last."""
    return next((login.refusal for login in _LOGINS.values() if login.refusal is not None), None)
