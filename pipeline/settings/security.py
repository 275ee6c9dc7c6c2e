"""Settings of how brokers are reached: TLS, logins, and where what proves them is. Wrong combinations are refused."""

from typing import Any, Final, Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security
from pipeline.settings.refusals import PREFIX
from pipeline.settings.values import OwnPath, TokenUrl

__all__ = ["SecuritySettings"]

_MECHANISMS: Final = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
_PASSWORD: Final = ("sasl_username", "sasl_password_file")
_CLIENT: Final = ("sasl_client_id", "sasl_client_secret_file")
_TOKEN: Final = ("sasl_token_command", "sasl_token_url", *_CLIENT, "sasl_scope")
_TLS: Final = ("tls_ca_file", "tls_cert_file", "tls_key_file")


class SecuritySettings(BaseSettings):
    """The part of the settings that :meth:`security` is made of."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """As the brokers' listener: ``PLAINTEXT``, ``SSL`` (TLS), ``SASL_PLAINTEXT`` (a login) or ``SASL_SSL``."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """How the login is proven: ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512`` or ``OAUTHBEARER``."""
    sasl_username: str | None = None
    """Who logs in by ``PLAIN`` or ``SCRAM``."""
    sasl_password_file: OwnPath | None = None
    """A file that holds the password in one line; read again for each new connection where it has changed."""
    sasl_token_command: str | None = None
    """For ``OAUTHBEARER``: a command, run without a shell for each new connection, that prints a token within 10 s."""
    sasl_token_url: TokenUrl = None
    """For ``OAUTHBEARER`` in place of a command: the endpoint that grants tokens for client credentials."""
    sasl_client_id: str | None = None
    """The name of the client at the token endpoint."""
    sasl_client_secret_file: OwnPath | None = None
    """A file that holds the secret of the client at the token endpoint in one line."""
    sasl_scope: str | None = None
    """What is asked of the token endpoint, where it wants a scope."""
    tls_ca_file: OwnPath | None = None
    """Certificates (PEM) of the authorities that are trusted; without it those of this machine."""
    tls_cert_file: OwnPath | None = None
    """This program's own certificate (PEM), where the brokers ask for one; read again where it has changed."""
    tls_key_file: OwnPath | None = None
    """Its private key (PEM, not encrypted), where it is not in the certificate's file."""

    @field_validator("security_protocol", "sasl_mechanism", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value

    @field_validator("sasl_username", "sasl_client_id", "sasl_scope", "sasl_token_command")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and not (value.strip() and value.isprintable()):
            raise ValueError("must be one line of text, or not be set at all")
        return value

    def security(self) -> Security:
        """How the brokers are reached; refuses combinations that cannot work, by what to set or unset."""
        self._refuse_useless()
        if self.security_protocol.startswith("SASL"):
            self._refuse_bad_login()
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise StartupError(
                "FOOTFALL_TLS_KEY_FILE is set without a certificate", "set FOOTFALL_TLS_CERT_FILE too, or unset it"
            )
        return Security(
            protocol=self.security_protocol,
            mechanism=self.sasl_mechanism,
            username=self.sasl_username,
            password_file=self.sasl_password_file,
            token_command=self.sasl_token_command,
            token_url=self.sasl_token_url,
            client_id=self.sasl_client_id,
            client_secret_file=self.sasl_client_secret_file,
            scope=self.sasl_scope,
            ca_file=self.tls_ca_file,
            cert_file=self.tls_cert_file,
            key_file=self.tls_key_file,
        )

    @staticmethod
    def no_security() -> dict[str, Any]:
        """The values that stand for neither TLS nor login, by setting."""
        return {name: field.default for name, field in SecuritySettings.model_fields.items()}

    def _refuse_useless(self) -> None:
        """What the protocol makes no use of: somebody believes that it protects."""
        protocol = self.security_protocol
        has_login, has_tls = protocol.startswith("SASL"), protocol.endswith("SSL")
        for is_used, names in ((has_login, ("sasl_mechanism", *_PASSWORD, *_TOKEN)), (has_tls, _TLS)):
            if not is_used and (name := self._first_set(names)) is not None:
                wanted = "SSL" if names is _TLS and not has_login else "SASL_SSL"
                raise StartupError(
                    f"{name} is set, but FOOTFALL_SECURITY_PROTOCOL is {protocol}",
                    f"set that to {wanted}, or unset {name}",
                )

    def _refuse_bad_login(self) -> None:
        mechanism = self.sasl_mechanism
        if mechanism is None:
            raise StartupError(
                f"FOOTFALL_SECURITY_PROTOCOL is {self.security_protocol} without FOOTFALL_SASL_MECHANISM",
                f"set that to {_MECHANISMS}",
            )
        wanted: tuple[str, ...] = _PASSWORD
        useless: tuple[str, ...] = _PASSWORD if mechanism == "OAUTHBEARER" else _TOKEN
        if (name := self._first_set(useless)) is not None:
            raise StartupError(f"{name} is set, but FOOTFALL_SASL_MECHANISM is {mechanism}", f"unset {name}")
        if mechanism == "OAUTHBEARER":
            wanted, useless = self._source_of_tokens()
            if (name := self._first_set(useless)) is not None:
                raise StartupError(f"{name} is set together with FOOTFALL_SASL_TOKEN_COMMAND", "unset one of the two")
        for name in wanted:
            if getattr(self, name) is None:
                raise StartupError(f"{PREFIX}{name.upper()} is not set, but a login by {mechanism} needs it", "set it")

    def _source_of_tokens(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The settings that a source of tokens needs, and those that it has no use for."""
        if self.sasl_token_command is not None:
            return (), ("sasl_token_url", *_CLIENT, "sasl_scope")
        if self.sasl_token_url is not None:
            return _CLIENT, ()
        raise StartupError(
            "FOOTFALL_SASL_MECHANISM is OAUTHBEARER, but nothing gives a token",
            "set FOOTFALL_SASL_TOKEN_COMMAND, or FOOTFALL_SASL_TOKEN_URL, FOOTFALL_SASL_CLIENT_ID and"
            " FOOTFALL_SASL_CLIENT_SECRET_FILE",
        )

    def _first_set(self, names: tuple[str, ...]) -> str | None:
        """The first of the settings that has a value, by its whole name."""
        return next((PREFIX + name.upper() for name in names if getattr(self, name) is not None), None)
