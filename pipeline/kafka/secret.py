"""Secrets in files: read when they are needed, never told."""

from pathlib import Path

from pipeline.errors import StartupError

__all__ = ["secret_in"]


def secret_in(name: str, file: Path) -> str:
    """The text of a secret's file without its last line end; refuses, without a word of it, what cannot be one."""
    try:
        text = file.read_text("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise StartupError(
            f"the file that {name} names, {file}, cannot be read", f"mend that: {error.strerror}"
        ) from None
    if not text or not text.isprintable():
        raise StartupError(f"the file that {name} names, {file}, holds no secret", "put it there in one line of UTF-8")
    return text
