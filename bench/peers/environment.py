"""A virtual environment for each Python peer, so that its dependencies never enter Footfall's lock file.

Made once from a hash-pinned lock file, under the git-ignored cache folder, and made anew when the lock changes.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["CACHE", "HERE", "PeerMissingError", "ready_environment"]

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".footfall" / "bench"
"""What peers need and git does not keep: environments, built classes."""
_LAST_LINES = 3


class PeerMissingError(Exception):
    """A peer cannot be had on this machine; the text says why, in one line."""


def digest(*files: Path) -> str:
    """One hex digest of the bytes of ``files``, in their order."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def run_quietly(argv: list[str], what: str) -> None:
    """Run a program to its end; raises PeerMissingError with its last lines where it fails or is not there."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PeerMissingError(f"{what}: {error.strerror or error}") from None
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-_LAST_LINES:]
        raise PeerMissingError(f"{what}: {' '.join(last) or f'exit code {done.returncode}'}")


def ready_environment(name: str, cache: Path = CACHE) -> Path:
    """The Python program of the environment that ``requirements-NAME.lock`` describes, made where it is not there.

    Raises PeerMissingError where it cannot be made (no wheel for this Python or platform, no package index).
    """
    lock = HERE / f"requirements-{name}.lock"
    folder = cache / name
    python = folder / "bin" / "python"
    made_of = folder / "made-of"
    wanted = f"{sys.version_info.major}.{sys.version_info.minor} {digest(lock)}"
    if made_of.exists() and made_of.read_text("utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    run_quietly([sys.executable, "-m", "venv", str(folder)], f"the environment of {name} could not be made")
    run_quietly(
        [
            *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock)),
        ],
        f"the packages of {name} could not be installed",
    )
    made_of.write_text(wanted, "utf-8")
    return python
