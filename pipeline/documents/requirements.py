"""Requirement, module, tests that name it: from ``tests/requirements.toml`` and the marks in the tests themselves."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pipeline.documents.pages import GENERATED, table

__all__ = ["requirements_page", "tests_by_requirement"]

_MARK = "requirement"


def requirements_page(root: Path) -> str:
    """What must be done, where it is done, and what proves it; ``root`` is the repository's."""
    entries = tomllib.loads((root / "tests" / "requirements.toml").read_text("utf-8"))
    proofs = tests_by_requirement(root)
    unknown = sorted(set(proofs) - set(entries))
    if unknown:
        raise ValueError(f"tests name requirements that are not in tests/requirements.toml: {', '.join(unknown)}")
    rows = []
    for number, entry in entries.items():
        tests = "<br>".join(f"`{test}`" for test in proofs.get(number, ()))
        rows.append((number, entry["text"], entry.get("module", ""), tests or "not yet"))
    head = ("requirement", "what", "module", "tests on a real broker")
    return (
        f"{GENERATED}# Requirements\n\nA requirement is met where a test that names it passes on a real broker."
        f" Met: {len(proofs)} of {len(entries)}.\n\n{table(head, rows)}"
    )


def tests_by_requirement(root: Path) -> dict[str, list[str]]:
    """Requirement to the tests that carry its mark, as ``file::test``."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for number in _marks(node):
                    found.setdefault(number, []).append(f"{path.relative_to(root).as_posix()}::{node.name}")
    return found


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == _MARK:
            yield from (str(ast.literal_eval(argument)) for argument in call.args)
