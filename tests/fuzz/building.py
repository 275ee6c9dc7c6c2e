"""The compiled parts as fuzzing needs them: under sanitizers, and telling which of their places are reached."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

__all__ = ["MODULES", "ROOT", "TOOLS", "build", "environment", "use"]

ROOT: Final = Path(__file__).resolve().parents[2]
MODULES: Final = ("agents.core.native.fast_path", "agents.core.native.pre_aggregate", "schemas.wire.native.columns")
TOOLS: Final = ROOT / "build" / "fuzz" / "tools"
"""Where ``make fuzz`` installs what ``requirements.lock`` beside this file names."""
_COVERAGE: Final = Path(__file__).with_name("coverage.c")
_SANITIZED: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_OPTIONS: Final = ("-shared", "-fPIC", "-O1", "-g", *_SANITIZED, "-fsanitize-coverage=trace-pc,trace-cmp")


def _source(root: Path, module: str) -> Path:
    return root.joinpath(*module.split(".")).with_suffix(".c")


def _digest(source: Path) -> str:
    """Of all that a library is made of; headers lie beside their sources."""
    files = [source, *sorted(source.parent.glob("*.h")), _COVERAGE]
    told = b"".join(hashlib.sha256(each.read_bytes()).digest() for each in files)
    return hashlib.sha256(told + " ".join((sys.version, *_OPTIONS)).encode()).hexdigest()[:16]


def build(folder: Path, root: Path = ROOT, modules: tuple[str, ...] = MODULES) -> dict[str, Path]:
    """The libraries of modules whose sources lie under ``root``, made in ``folder`` where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {module: _source(root, module) for module in modules}
    found = {module: folder / f"{source.stem}-{_digest(source)}.so" for module, source in sources.items()}
    missing = {module: path for module, path in found.items() if not path.exists()}
    running = [_compile(sources[module], path) for module, path in missing.items()]
    for path, process in running:
        if process.wait(timeout=300):
            raise SystemExit(f"{path.name} was not built, see above")
        path.with_suffix(".new").rename(path)
    return found


def _compile(source: Path, path: Path) -> tuple[Path, "subprocess.Popen[bytes]"]:
    coverage = path.with_suffix(".o")
    subprocess.run(["gcc", "-O2", "-fPIC", "-c", str(_COVERAGE), "-o", str(coverage)], check=True, timeout=60)
    include = f"-I{sysconfig.get_path('include')}"
    command = ["gcc", *_OPTIONS, include, str(source), str(coverage), "-o", str(path.with_suffix(".new"))]
    return path, subprocess.Popen(command)


def environment(libraries: Mapping[str, Path]) -> dict[str, str]:
    """For the process in which inputs are tried."""
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, stdout=subprocess.PIPE, text=True)
    return os.environ | {
        "LD_PRELOAD": asan.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64",
        "PYTHONMALLOC": "malloc",  # each object by itself, so that reading past one is seen
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{TOOLS}",
        "FOOTFALL_FUZZ_ENGINE": str(next(iter(_engines()), "")),
        "FOOTFALL_FUZZ_LIBRARIES": os.pathsep.join(f"{module}={path}" for module, path in libraries.items()),
    }


def _engines() -> Iterator[Path]:
    return TOOLS.glob("atheris/core_with_libfuzzer*.so")


class _Finder(MetaPathFinder):
    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        path = self._paths.get(fullname)
        return importlib.util.spec_from_file_location(fullname, path) if path else None


def use() -> None:
    """Take the libraries that :func:`environment` names for the compiled parts; before anything of ours is imported.

    Their tables hash under a key of zeros, so that an input does the same each time.
    """
    told = os.environ["FOOTFALL_FUZZ_LIBRARIES"].split(os.pathsep)
    sys.meta_path.insert(0, _Finder(dict(each.split("=", 1) for each in told)))
    sys.modules["agents.core.native.key"] = key = ModuleType("agents.core.native.key")
    key.KEY = bytes(16)  # type: ignore[attr-defined]
