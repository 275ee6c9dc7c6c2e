"""The environment: what Kubernetes adds to it on its own, and settings as the environment of a child."""

import datetime as dt
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr, TypeAdapter

__all__ = ["added_by_kubernetes", "as_environment", "as_text"]

_LINK: Final = re.compile(r"(tcp|udp|sctp)://(.+):([0-9]{1,5})")
_LINKED: Final = re.compile(r"(.+?)_PORT(?:_([0-9]{1,5})_(TCP|UDP|SCTP))?")
_PART: Final = re.compile(r"(.+?)_PORT_([0-9]{1,5})_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)")
_NUMBERED: Final = re.compile("(.+?)_SERVICE_PORT(?:_[A-Z0-9_]+)?")
_SERVICE_HOST: Final = "_SERVICE_HOST"
_LAST_PORT: Final = 65_535
_DURATION: Final = TypeAdapter(dt.timedelta)


def added_by_kubernetes(environment: Mapping[str, str]) -> set[str]:
    """The names in ``environment`` that have, with their values, the form that Kubernetes gives a Service's.

    For a Service ``footfall-metrics`` at 10.0.0.1 these are ``FOOTFALL_METRICS_SERVICE_HOST``,
    ``FOOTFALL_METRICS_SERVICE_PORT``, the same for each named port, ``FOOTFALL_METRICS_PORT=tcp://10.0.0.1:9464``,
    ``FOOTFALL_METRICS_PORT_9464_TCP`` and of that ``_PROTO``, ``_PORT`` and ``_ADDR``. An address or a link tells by
    itself; a bare number or word only beside one of the same Service.
    """
    services: dict[str, str] = {}
    for name, value in environment.items():
        if (service := _service(name, value)) is not None:
            services[name] = service
    known = set(services.values())
    return services.keys() | {name for name, value in environment.items() if _sibling(name, value) in known}


def _service(name: str, value: str) -> str | None:
    """The Service that a variable names with an address of its own; None where it is no such."""
    if name.endswith(_SERVICE_HOST):
        return name.removesuffix(_SERVICE_HOST) if _is_address(value) else None
    linked, link = _LINKED.fullmatch(name), _LINK.fullmatch(value)
    if linked is None or link is None or not _is_port(link[3]):
        return None
    inside = link[2][1:-1] if link[2].startswith("[") and link[2].endswith("]") else link[2]
    named = linked[2] is None or (linked[2], linked[3]) == (link[3], link[1].upper())
    return linked[1] if named and _is_address(inside) else None


def _sibling(name: str, value: str) -> str | None:
    """The Service that a variable would belong to if there is one; None where its value cannot be of one."""
    if (part := _PART.fullmatch(name)) is not None:
        good = {"PROTO": value == part[3].lower(), "PORT": value == part[2], "ADDR": _is_address(value)}
        return part[1] if good[part[4]] else None
    numbered = _NUMBERED.fullmatch(name)
    return numbered[1] if numbered is not None and _is_port(value) else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= _LAST_PORT


def as_environment(settings: BaseModel) -> dict[str, str]:
    """Every setting that has a value as the text that stands for it, by its name in upper case, secrets too.

    Paths are absolute, so that a child in another folder reads the same.
    """
    values = {name.upper(): getattr(settings, name) for name in type(settings).model_fields}
    return {
        name: as_text(value.absolute() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None
    }


def as_text(value: object) -> str:
    """The text that stands for a setting's value in the environment."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dt.timedelta):
        return str(_DURATION.dump_python(value, mode="json"))
    return str(value).lower() if isinstance(value, bool) else str(value)
