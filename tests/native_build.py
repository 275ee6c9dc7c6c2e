"""The C parts compiled as a test wants them: with other limits, or as a plain library."""

import importlib.util
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

__all__ = ["NATIVE", "compiled", "library"]

NATIVE = Path(__file__).resolve().parents[1] / "agents" / "core" / "native"


def library(source: Path, target: Path, *options: str) -> Path:
    """The shared library of ``source`` at ``target``; ``options`` are the compiler's."""
    include = f"-I{sysconfig.get_path('include')}"
    command = ["cc", "-shared", "-fPIC", "-O1", include, f"-I{NATIVE}", *options, str(source), "-o", str(target)]
    subprocess.run(command, check=True, timeout=120)
    return target


def compiled(name: str, folder: Path, *options: str) -> ModuleType:
    """The extension ``name`` of the compiled part, another one than that which is installed."""
    path = library(NATIVE / f"{name}.c", folder / f"{name}.so", *options)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
