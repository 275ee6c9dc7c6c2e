"""Folders on this machine: made, looked at before anything is started in them, and held by one process alone."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipeline.errors import StartupError

__all__ = ["held", "is_held", "kept_secret", "writable"]

LOCK: Final = "lock"
"""In a folder that is held, with the process id for a refusal. It stays: who removed it could free another's."""


def writable(folder: Path, do: str, mode: int = 0o777) -> None:
    """Make ``folder`` and try whether it takes a file; refuses with ``do`` where it does not."""
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode, parents=True, exist_ok=True)
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise StartupError(f"the folder {folder} cannot be used ({error.strerror})", do) from None


@contextmanager
def held(folder: Path, holder: str, do: str) -> Iterator[None]:
    """Hold ``folder``, which is there, for as long as this process lives; refuses where another does.

    ``holder`` says who may hold it, ``do`` what to do about a folder that is unusable. The lock is the kernel's: it
    ends with the process, however that ends, and children do not inherit it.
    """
    try:
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartupError(f"the folder {folder} cannot be used ({error.strerror})", do) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            raise StartupError(
                f"{holder} runs already on the folder {folder} (process {process or 'unknown'})",
                "end that one first, or set FOOTFALL_DATA_DIR to another folder",
            ) from None
        except OSError as error:
            raise StartupError(f"the folder {folder} cannot be locked ({error.strerror})", do) from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def is_held(folder: Path) -> bool:
    """Whether a living process holds ``folder``."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def kept_secret(path: Path) -> Path:
    """A file of 64 hexadecimal digits, made at first use, whole or not at all, and readable by its owner alone."""
    if not path.exists():
        begun = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            begun.unlink()
        handle = os.open(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        begun.replace(path)
    return path
