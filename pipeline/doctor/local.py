"""What ``doctor`` finds on this machine: the keys, the data folder, the compiled part."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from agents.core.native import IS_BUILT
from pipeline.doctor.findings import Finding, Verdict, wrong
from pipeline.errors import StartupError
from pipeline.settings.settings import Settings

__all__ = ["local"]


def local(settings: Settings) -> list[Finding]:
    """Each in order."""
    keys = [_key("pseudonym key", settings.pseudonym_secret, settings.pseudonym_key_file)]
    keys.append(_key("control key", settings.control_keys, settings.control_key_file))
    return [Finding("settings", Verdict.FINE, "all known and good"), *keys, _folder(settings), _compiled()]


def _key(check: str, key: Callable[[], object], path: Path | None) -> Finding:
    try:
        known = key()
    except StartupError as refusal:
        return wrong(check, refusal)
    if known is None:
        return Finding(check, Verdict.FINE, "none, as worker aggregate wants it; worker anonymize needs one")
    if path is not None and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(check, Verdict.WARNING, f"others may read {path}", f"run chmod 600 {path}")
    return Finding(check, Verdict.FINE, "good; worker anonymize wants it, worker aggregate refuses it")


def _folder(settings: Settings) -> Finding:
    """Whether the data folder, or the nearest folder above it that is there, can be written."""
    nearest = settings.data_dir.absolute()
    while not _exists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("data folder", Verdict.FINE, str(settings.data_dir))
    mend = "mend it, or set FOOTFALL_DATA_DIR to a folder of this user's"
    return Finding("data folder", Verdict.WRONG, f"{nearest} is not a writable folder", mend)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # nobody may look there
        return False


def _compiled() -> Finding:
    if IS_BUILT:
        return Finding("compiled part", Verdict.FINE, "built")
    mend = "for full speed install a C compiler, then the package again"
    return Finding("compiled part", Verdict.WARNING, "not built: as exact, and slower", mend)
