"""What is said of a setting that is unknown or bad: one line that names it and never shows a secret."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from pipeline.errors import StartupError
from pipeline.settings.values import without_password

__all__ = ["PREFIX", "bad_setting", "unknown_setting"]

PREFIX: Final = "FOOTFALL_"


def unknown_setting(what: str, name: str, known: Iterable[str], prefix: str = "") -> StartupError:
    """``what`` names none of the ``known`` settings; ``prefix`` is that of a variable."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    if not near:
        return StartupError(f"unknown {what}", "remove it, or look the settings up in the documentation")
    return StartupError(
        f"unknown {what}", f"remove it, or did you mean {prefix}{near[0].upper() if prefix else near[0]}?"
    )


def bad_setting(
    error: ValidationError,
    known: Mapping[str, Any],
    secrets: Iterable[str],
    file: Mapping[str, Any],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> StartupError:
    """The first bad setting, with its value if it is no secret, and where that value stands."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    variable = PREFIX + name.upper()
    if name in overrides:
        value, where = overrides[name], name
    elif variable in environment:
        value, where = environment[variable], variable
    else:
        value, where = file.get(name, ""), f"{name} in the settings file"
    shown = "" if name in secrets else f" ({without_password(str(value))[:60]!r})"
    if name not in known:
        return unknown_setting(f"setting {name}", name, known)
    return StartupError(f"bad setting {where}{shown}", f"it {_advice(first['msg'])}")


def _advice(message: str) -> str:
    text = re.sub("^Value error, ", "", message)
    text = re.sub("^Input ", "", text)
    return text if text.startswith(("must", "should", "is ")) else f"must be mended, {text[:1].lower()}{text[1:]}"
