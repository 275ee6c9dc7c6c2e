"""The files about the project are what they claim: licence, security policy, hooks, hosted CI, index of decisions."""

import ast
import os
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from pipeline.documents.decisions import decisions_page

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def test_the_licence_is_the_one_that_the_package_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license"]
    first, _, rest = (ROOT / "LICENSE").read_text("utf-8").partition("\n")
    assert first == f"SPDX-License-Identifier: {declared}"
    assert "All rights reserved." in rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_every_path_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [page.parent / link for link in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", text)]
    paths = [ROOT / path for path in re.findall(r"`((?:agents|bench|pipeline|schemas|tests)/[\w/.]+\.\w+)", text)]
    assert [str(path) for path in links + paths if not path.exists()] == []


def test_every_module_of_a_requirement_is_there() -> None:
    told = tomllib.loads((ROOT / "tests" / "requirements.toml").read_text("utf-8"))
    paths = [path for entry in told.values() for path in re.findall(r"[a-z_/]+/(?:\w+\.py)?", entry.get("module", ""))]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_hooks_are_the_checks_of_make_lint_and_need_no_network() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert local["repo"] == "local"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert lint is not None
    wanted = {line.split()[0].removeprefix("$(BIN)/") for line in lint[1].splitlines()}
    assert wanted <= {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in local["hooks"]}
    for hook in local["hooks"]:
        program = hook["entry"].split()[0]
        assert (hook["language"], program.rpartition("/")[0]) == ("system", ".venv/bin")
        assert os.access(BIN / Path(program).name, os.X_OK)


def test_hosted_ci_only_calls_the_script_on_pinned_actions() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert (job["timeout-minutes"], workflow["permissions"]) == (60, {"contents": "read"})
    assert job["runs-on"].startswith("ubuntu-")
    minimum = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert f">={job['strategy']['matrix']['python'][0]}" == minimum
    assert [step["run"] for step in job["steps"] if "run" in step] == ["taskset --cpu-list 0,1 .ci/run"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [name.partition("@")[0] for name in used] == ["actions/checkout", "actions/setup-python"]
    assert all(re.fullmatch(r".+@[0-9a-f]{40}", name) for name in used)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_dependency_is_imported() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {_normal(re.split(r"[^\w.-]", each)[0]) for each in declared}
    modules = set[str]()
    for path in (path for package in ("agents", "pipeline", "schemas") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    provided = packages_distributions()
    imported = {_normal(name) for module in modules for name in provided.get(module, [])}
    assert not names - imported


def _normal(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_make_target_runs_every_program_of_bench() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.search(r"NAME is ([a-z, ]+) or ([a-z]+)", makefile)
    assert named is not None
    run = {*named[1].split(", "), named[2], "__main__", *re.findall(r"-m bench\.([a-z]+)", makefile)}
    programs = {path.stem for path in (ROOT / "bench").glob("*.py") if "\nif __name__ ==" in path.read_text("utf-8")}
    assert programs == run


def test_the_index_names_every_decision_with_its_status(tmp_path: Path) -> None:
    (tmp_path / "0007-x.md").write_text("# 7. Do x\n\nAccepted.\n")
    (tmp_path / "0008-y.md").write_text("# 8. Do y\n\nDate: 2026-11-30. Status: superseded by 9. More.\n")
    index = decisions_page(tmp_path)
    assert "| 7 | [Do x](0007-x.md) | accepted |\n| 8 | [Do y](0008-y.md) | superseded by 9 |\n" in index


@pytest.mark.parametrize(
    ("text", "said"), [("# 8. Other\n\nAccepted.\n", "begin with its title"), ("# 7. X\n\nWhy.\n", "has no status")]
)
def test_a_decision_without_title_or_status_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "0007-x.md").write_text(text)
    with pytest.raises(ValueError, match=f"0007-x.md .*{said}"):
        decisions_page(tmp_path)
