"""What a setting's text may be: durations, addresses and folders; each refused with the form that is wanted."""

import datetime as dt
import ipaddress
import os
import re
import urllib.parse
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

__all__ = ["Address", "Brokers", "Duration", "OwnPath", "TokenUrl", "without_password"]

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_BETWEEN: Final = re.compile(r"[,;\s]+")
_PLAIN: Final = frozenset({"PLAINTEXT", "HTTP", "TCP", "KAFKA"})
"""Schemes of which the rest is what is wanted."""
_SECURE: Final = frozenset({"SSL", "SASL_PLAINTEXT", "SASL_SSL"})
"""Schemes that another setting is for."""
_LAST_PORT: Final = 65_535


def without_password(text: str) -> str:
    """``text`` with what stands before an ``@`` of a URL left out."""
    return re.sub(r"[^/,;\s]*@", "", text)


def _seconds(value: object) -> object:
    """Plain numbers and their text are seconds; everything else is left to pydantic (ISO 8601)."""
    if isinstance(value, bool):
        raise ValueError("is no duration")
    if isinstance(value, str) and not (_NUMBER.fullmatch(value.strip()) or value.strip().startswith("P")):
        raise ValueError("must be ISO 8601, such as PT10S, or a number of seconds")
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else value


def _is_host(text: str) -> bool:
    """A name, an IPv4 address, or an IPv6 address without brackets."""
    if _HOST.fullmatch(text):
        return True
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _why_no_address(address: str) -> str | None:
    """What ``address`` lacks to be ``host:port``; None where it is one."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return f"{address or 'an empty address'} names no port"
    if not re.fullmatch("[0-9]{1,9}", port) or not 1 <= int(port) <= _LAST_PORT:
        return f"{port or 'nothing'} is no port from 1 to {_LAST_PORT}"
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in host and bare == host:
        return "an IPv6 address stands in brackets"
    return None if _is_host(bare) else f"{host[:60] or 'nothing'} is no host"


def _brokers(value: str | None) -> str | None:
    if value is None or not value.strip():
        return None
    addresses = [address.strip() for address in value.split(",")]
    why = next(filter(None, map(_why_no_address, addresses)), None)
    if why is None:
        return ",".join(addresses)
    wanted = "must be host:port, several separated by commas"
    schemes = {scheme.upper() for scheme in _SCHEME.findall(value)}
    found = [_SCHEME.sub("", without_password(each)).split("/")[0] for each in _BETWEEN.split(value) if each]
    if (secure := schemes & _SECURE) and found and not any(map(_why_no_address, found)):
        raise ValueError(f"{wanted}, so write {','.join(found)}, and {min(secure)} to FOOTFALL_SECURITY_PROTOCOL")
    if schemes - _PLAIN - _SECURE:
        raise ValueError(f"{wanted}, of a listener for Kafka's protocol; {min(schemes - _PLAIN - _SECURE)} is none")
    if found and not any(map(_why_no_address, found)):
        raise ValueError(f"{wanted}, so write {','.join(found)}")
    if schemes:
        raise ValueError(f"{wanted}, without {min(schemes).lower()}://, such as kafka-1:9092,kafka-2:9092")
    raise ValueError(f"{wanted}, such as kafka-1:9092,kafka-2:9092 or [::1]:9092; {without_password(why)}")


def _address(value: str) -> str:
    text = value.strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if _is_host(bare):
        return bare
    without = _SCHEME.sub("", without_password(text)).split("/")[0]
    host, _, port = without.rpartition(":")
    if port.isdigit() and _is_host(host.strip("[]")):
        raise ValueError(f"must be a host alone, so write {host.strip('[]')}, and its port to FOOTFALL_METRICS_PORT")
    raise ValueError("must be a host name or an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them")


def _token_url(value: str | None) -> str | None:
    """A secret goes there, so in the clear to this machine alone."""
    if value is None or not value.strip():
        return None
    parts = urllib.parse.urlsplit(value.strip())
    if not parts.hostname or not _is_host(parts.hostname) or parts.username is not None:
        raise ValueError("must be a URL such as https://login.example.com/oauth2/token, without user and password")
    if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in {"localhost", "127.0.0.1", "::1"}):
        raise ValueError("must begin with https://, since a secret goes there")
    return value.strip()


def _path(value: Path) -> Path:
    text = os.fspath(value)
    if "\0" in text:
        raise ValueError("must be a path without a zero byte")
    if text.startswith("~"):
        raise ValueError("must be a whole path: only a shell knows what ~ means")
    try:
        whole = os.fsencode(text).decode() == text
    except UnicodeError:
        whole = False
    if not whole:
        raise ValueError("must be a path in UTF-8")
    return value


def _not_empty(value: object) -> object:
    """An empty text would be the working folder."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("must be a path, or not be set at all")
    return value


Duration = Annotated[dt.timedelta, BeforeValidator(_seconds)]
"""ISO 8601 (``PT10S``) or seconds, never below zero, in whole milliseconds."""
Brokers = Annotated[str | None, AfterValidator(_brokers)]
"""``host:port``, several separated by commas; None where the text is empty."""
Address = Annotated[str, AfterValidator(_address)]
"""A host name or an IP address to listen on, without brackets."""
OwnPath = Annotated[Path, BeforeValidator(_not_empty), AfterValidator(_path)]
"""A path that every program may be told, whatever its locale."""
TokenUrl = Annotated[str | None, AfterValidator(_token_url)]
"""``https://`` and a host; ``http://`` for this machine alone; None where the text is empty."""
