"""The jars of Apache Kafka: fetched by their Maven coordinates, held to the sums in ``kafka.lock``, kept in a cache.

They come from where this user's Maven would take them: the mirror of ``central`` in ``~/.m2/settings.xml``, the
repositories in jgo's own settings, else Maven Central; proxies and certificates as the environment names them.
"""

import configparser
import hashlib
import os
import pwd
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import StartupError
from pipeline.folders import writable

__all__ = ["Jar", "Progress", "cache_folder", "locked_jars", "ready_jars"]

Progress = Callable[[int, int], None]
"""Called with (jars ready, jars in all)."""
_DO = (
    "connect this machine to a Maven repository once (a mirror in ~/.m2/settings.xml and proxies are used), "
    "or start footfall worker with FOOTFALL_BROKERS at a broker that runs already"
)
_CACHE_DO = "set XDG_CACHE_HOME to a folder of this user's, where 45 MB are kept"
_AT_ONCE = 8


class Jar(NamedTuple):
    """One line of the lock: SHA-256 as hex digits, and a Maven coordinate."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def filename(self) -> str:
        """Its name in a repository and in the cache."""
        return f"{self.artifact}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """Every jar of the lock, sorted by coordinate."""
    lines = (files("pipeline.broker") / "kafka.lock").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return [Jar(digest, *coordinate.split(":")) for digest, coordinate in rows]


def cache_folder() -> Path:
    """Where the jars are kept between starts: the user's cache folder. Refuses where there is no such folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        home = _home()
        if home is None:
            raise StartupError("there is no home folder to keep the files of Apache Kafka in", _CACHE_DO)
        base = home / ".cache"
    return base / "footfall" / "kafka"


def _home() -> Path | None:
    """The user's; None where nothing tells which it is."""
    try:
        home = Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a user without a name, as in a container
        return None
    return home if home.is_absolute() else None


def ready_jars(progress: Progress | None = None, folder: Path | None = None) -> list[Path]:
    """Paths of all jars, each with the sum of the lock; fetches what is missing or damaged (45 MB the first time).

    Refuses where something cannot be fetched or kept, or is not what the lock says. Safe in several processes at once.
    """
    jars = locked_jars()
    folder = folder or cache_folder()
    if os.pathsep in str(folder):
        raise StartupError(f"Java cannot read the folder {folder}, since its name holds a {os.pathsep}", _CACHE_DO)
    missing = [jar for jar in jars if _sum(folder / jar.filename) != jar.sha256]
    if missing:
        writable(folder, _CACHE_DO)
        try:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _fetch(missing, folder, Path(scratch), progress)
        except OSError as error:
            raise StartupError(f"cannot fetch Apache Kafka: {_reason(error)}", _DO) from None
    return [folder / jar.filename for jar in jars]


def _fetch(missing: list[Jar], folder: Path, scratch: Path, progress: Progress | None) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415 - a second of imports that a cached start does not need

    context = MavenContext(repo_cache=scratch, remote_repos=_repositories(), timeout=30)

    def one(jar: Jar) -> None:
        path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        if _sum(path) != jar.sha256:
            raise StartupError(
                f"{jar.filename} is not the file that the lock names (its SHA-256 sum differs)",
                "mend the Maven repository or mirror that served it",
            )
        # In two steps, since the cache may be read while it is written; a move within a folder is atomic.
        shutil.move(path, folder / f".{jar.filename}.{os.getpid()}")
        (folder / f".{jar.filename}.{os.getpid()}").replace(folder / jar.filename)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = [pool.submit(one, jar) for jar in missing]
        try:
            for done, future in enumerate(as_completed(fetched), 1):
                future.result()
                if progress is not None:
                    progress(done, len(missing))
        except RuntimeError as error:  # what jgo raises where no repository has the file
            raise StartupError(f"cannot fetch Apache Kafka: {_reason(error)}", _DO) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as jar:
            return hashlib.file_digest(jar, "sha256").hexdigest()
    except OSError:
        return ""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _repositories() -> dict[str, str]:
    """Name to address, in the order in which they are asked."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - as above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - as above

    try:
        own: dict[str, str] = dict(GlobalSettings.load().repositories)
    except RuntimeError:  # no home folder, so no settings in it
        own = {}
    except (OSError, ValueError, configparser.Error) as error:
        named = type(error).__name__
        raise StartupError(
            f"the settings of jgo cannot be read ({named})", "mend or remove ~/.config/jgo.conf"
        ) from None
    home = _home()
    mirror = _mirror_of_central(home / ".m2" / "settings.xml") if home is not None else None
    return {"central": mirror or MAVEN_CENTRAL_URL} | own


def _mirror_of_central(settings: Path) -> str | None:
    try:
        root = ET.parse(settings).getroot()  # noqa: S314 - the user's own settings
    except (OSError, ET.ParseError):
        return None
    for mirror in (element for element in root.iter() if _local(element) == "mirror"):
        fields = {_local(child): (child.text or "").strip() for child in mirror}
        if _covers_central(fields.get("mirrorOf", "").split(",")) and fields.get("url"):
            return fields["url"].rstrip("/")
    return None


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _covers_central(patterns: Iterable[str]) -> bool:
    names = {pattern.strip() for pattern in patterns}
    return "!central" not in names and bool(names & {"*", "external:*", "central"})
