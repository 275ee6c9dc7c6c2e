"""The recipes of CONTRIBUTING.md, applied to a copy of the code: what they add is found wherever it must be."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```\w+ (\S+)(?: (\w+))?\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
"""Of each block that is applied its file, the name that it is added to (none: the block is the file), and its text."""
NAMED = (
    ("pipeline/cli/main.py", "import audit,", "import audit, greet,"),
    ("schemas/flow.py", 'outputs=("aggregates", "corrections")', 'outputs=("aggregates", "corrections", "greetings")'),
    ("schemas/flow.py", '"ledger", "corrections"),', '"ledger", "corrections", "greetings"),'),
)
"""What a step of a recipe says in words: the file, what stands there, and what then does."""
LOOK = {
    "a type and a metric": """
import json
from agents.core.accept.decode import decode_strictly
from agents.core.accept.fast_decode import decode
from agents.core.shared.records import RawRecord
from pipeline.documents.machine import json_schemas
from pipeline.documents.pages import events_page, metrics_page
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.verify import compare
from schemas.deciding import Deciding
from schemas.examples import good_examples
from schemas.times import parse_time
from tests.control_kit import expected
from tests.core.world import World
from tests.refused import refusals_of

event = good_examples()["file.uploaded"]
value = json.dumps(event).encode()
decoded = decode_strictly(RawRecord(0, 0, b"acme", value))
assert decoded == decode(RawRecord(0, 0, b"acme", value)) and len(decoded.events) == 1 and not refusals_of(decoded)
bad = json.dumps(event | {"data": event["data"] | {"bytes": -1}}).encode()
assert [each.path for each in refusals_of(decode(RawRecord(0, 0, b"acme", bad)))] == ["/data/bytes"]
raw = [StoredRecord(0, 0, parse_time(event["time"]), b"acme", value, ())]
world = World(Deciding(), 1)
world.append(raw)
world.anonymize(0)
world.aggregate(0)
figures = world.figures()
assert compare(figures, expected(raw, Deciding(), 1).figures, sink_watermarks=False) == []
assert figures["acme|files_uploaded|PT1H|2026-11-01T10:00:00Z|kind=report"]["value"] == 1
assert "file.uploaded" in events_page() and '"visibility": "shared"' in events_page()
assert "files_uploaded" in metrics_page() and "file.uploaded" in json_schemas()["raw-event"]
""",
    "a reason": """
from pipeline.documents.machine import json_schemas
from pipeline.documents.pages import operations_page
from schemas.wire.ledger import OUTCOME_CODES, REASONS_BY_CODE
from schemas.reasons import Reason

assert set(OUTCOME_CODES) == set(Reason) and len(REASONS_BY_CODE) == len(OUTCOME_CODES)
assert "not-licensed" in json_schemas()["rejected"] and "not-licensed" in json_schemas()["ledger"]
assert "not-licensed" in operations_page()
""",
    "a setting": """
import os
from pipeline.documents.pages import settings_page
from pipeline.settings.settings import load_settings
from pipeline.settings.env import as_environment

row = "| `FOOTFALL_GREETING` | `hello` | no | The word with which a worker begins its log. |"
assert row in settings_page()
os.environ["FOOTFALL_GREETING"] = "good morning"
assert as_environment(load_settings())["GREETING"] == "good morning"
""",
    "a topic": """
from pipeline.documents.machine import asyncapi
from pipeline.documents.pages import topics_page
from pipeline.broker.acls import grants
from schemas.topics import TOPICS, topic_config

assert topic_config("greetings", 3)["min.insync.replicas"] == "2"
assert "footfall.greetings.v1" in topics_page() and "analysts-receive-greetings" in asyncapi()
assert TOPICS["greetings"].writers == ("aggregate",) and TOPICS["greetings"].readers == ("analysts",)
granted = {(each.role, each.right.name) for each in grants("footfall") if each.name == "footfall.greetings.v1"}
assert {("aggregate", "WRITE"), ("analysts", "READ")} <= granted
""",
    "a command": """
from typer.testing import CliRunner
from pipeline.cli.main import app

assert CliRunner().invoke(app, ["greet"]).output == "hello\\n"
assert "Say hello." in CliRunner().invoke(app, ["--help"]).output
""",
}


def added(text: str, name: str, block: str) -> str:
    """``text`` with ``block`` at the end of the table or class ``name``, or behind the last call on it."""
    at, wanted = 0, ""
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            if isinstance(node.value, ast.Tuple | ast.Dict):
                at, wanted = (node.end_lineno or 0) - 1, indent(block.rstrip("\n"), "    ") + ",\n"
        elif isinstance(node, ast.ClassDef) and node.name == name:
            last = max(number for number, each in enumerate(node.body) if isinstance(each, ast.Assign | ast.AnnAssign))
            said = [each for each in node.body[last : last + 2] if not isinstance(each, ast.FunctionDef)]
            at, wanted = said[-1].end_lineno or 0, indent(block, "    ")
        elif isinstance(node, ast.Expr) and ast.unparse(node).startswith(f"{name}."):
            at, wanted = node.end_lineno or 0, block
    assert wanted, name
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:at], wanted, *lines[at:]])


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with every recipe applied."""
    copy = tmp_path_factory.mktemp("recipes")
    for package in ("agents", "pipeline", "schemas", "tests"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, name, block in BLOCKS:
        target = copy / path
        target.write_text(added(target.read_text("utf-8"), name, block) if name else block, "utf-8")
    for path, before, after in NAMED:
        target = copy / path
        text = target.read_text("utf-8")
        assert text.count(before) == 1, before
        target.write_text(text.replace(before, after), "utf-8")
    return copy


@pytest.mark.parametrize("recipe", LOOK)
def test_what_a_recipe_adds_is_everywhere(changed: Path, recipe: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOOTFALL_")}
    done = subprocess.run(
        [sys.executable, "-c", LOOK[recipe]],
        cwd=changed,
        env=environment | {"PYTHONPATH": str(changed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_block_of_a_recipe_is_one_that_is_applied() -> None:
    assert {path for path, _, _ in BLOCKS} == {
        "schemas/catalogue/types.py",
        "schemas/examples/good/file.uploaded.json",
        "schemas/catalogue/metrics.py",
        "schemas/reasons.py",
        "schemas/wire/ledger.py",
        "pipeline/settings/settings.py",
        "schemas/topics.py",
        "pipeline/cli/greet.py",
        "pipeline/cli/main.py",
    }
