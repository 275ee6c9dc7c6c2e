"""Why a broker or this program broke off a connection before it could be used, in one line that says what to mend."""

import ssl
from collections.abc import Iterator
from typing import Final

from aiokafka import errors as kafka

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security

__all__ = ["why_refused"]

_OTHER_NAME: Final = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})


def why_refused(error: BaseException, security: Security, address: str) -> StartupError | None:
    """The refusal that ``error`` stands for; None where the broker went away or did not answer.

    Nothing of a secret is in it, nor what a broker says in its own words.
    """
    found = (_of_tls(each, address) or _of_login(each, security, address) for each in _causes(error))
    return next(filter(None, found), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _of_tls(error: BaseException, address: str) -> StartupError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, address)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _no_tls(error, address)
    return None


def _of_login(error: BaseException, security: Security, address: str) -> StartupError | None:
    if isinstance(error, kafka.SaslAuthenticationFailed):
        return _denied(security)
    if isinstance(error, kafka.UnsupportedSaslMechanismError):
        return StartupError(
            f"the broker at {address} takes no login by {security.mechanism}",
            "set FOOTFALL_SASL_MECHANISM to one that its listener takes",
        )
    if isinstance(error, kafka.IllegalSaslStateError):
        return StartupError(
            f"the listener at {address} takes no login",
            f"set FOOTFALL_SECURITY_PROTOCOL to {'SSL' if security.has_tls else 'PLAINTEXT'}, or FOOTFALL_BROKERS to"
            " its listener for logins",
        )
    if security.has_login and isinstance(error, ValueError | AssertionError | LookupError):
        return StartupError(
            f"the broker at {address} answers the login otherwise than {security.mechanism} says",
            "see that FOOTFALL_BROKERS names your brokers: somebody may claim to be one",
        )
    return None


def _untrusted(error: ssl.SSLCertVerificationError, address: str) -> StartupError:
    if error.verify_code in _OTHER_NAME:
        return StartupError(
            f"the certificate of the broker at {address} is made for another name",
            "name the broker in FOOTFALL_BROKERS, and in its advertised.listeners, as its certificate does",
        )
    return StartupError(
        f"the certificate of the broker at {address} is not trusted ({error.verify_message})",
        "set FOOTFALL_TLS_CA_FILE to the certificate of the authority that signed it",
    )


def _no_tls(error: ssl.SSLError, address: str) -> StartupError:
    reason = error.reason or "no reason told"
    if reason in _NO_TLS:
        return StartupError(
            f"the listener at {address} does not speak TLS",
            "set FOOTFALL_SECURITY_PROTOCOL as that listener has it, or FOOTFALL_BROKERS to its listener for TLS",
        )
    if "ALERT" in reason:
        return StartupError(
            f"the broker at {address} refuses this program's certificate ({reason.replace('_', ' ').lower()})",
            "set FOOTFALL_TLS_CERT_FILE and FOOTFALL_TLS_KEY_FILE to a certificate that it trusts",
        )
    return StartupError(
        f"there is no TLS with the broker at {address} ({reason.replace('_', ' ').lower()})",
        "see that both sides have a version of TLS and a cipher in common",
    )


def _denied(security: Security) -> StartupError:
    if security.mechanism == "OAUTHBEARER":
        source = "FOOTFALL_SASL_TOKEN_COMMAND" if security.token_command else "FOOTFALL_SASL_TOKEN_URL"
        return StartupError("the brokers refuse the token", f"see that {source} gives one that they take")
    return StartupError(
        f"the brokers refuse the login of {security.username}",
        "mend FOOTFALL_SASL_USERNAME, FOOTFALL_SASL_MECHANISM or what FOOTFALL_SASL_PASSWORD_FILE holds",
    )
