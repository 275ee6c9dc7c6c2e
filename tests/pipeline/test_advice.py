"""Every refusal's advice, by its words: where it is followed, or why there is nothing of ours to follow.

A refusal that is new or reworded fails here until somebody has thought about what comes of doing what it says. None may
lose what was counted, count it twice, or lead from one refusal into a worse one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
Source = tuple[str, str]
"""A file below ``pipeline`` and the advice as it stands there; what is filled in is ``{}``."""

OUTSIDE: Final = "it says what to do outside of Footfall, which changes nothing of ours"
SAYS: Final = "it names the argument or setting to give; given otherwise, nothing has happened yet"
LOOK: Final = "it asks somebody to look who else writes; nothing is changed by looking"

FOLLOWED: Final[dict[str, str]] = {
    # broker
    "start one or mend FOOTFALL_BROKERS ({})": OUTSIDE,
    "look at the state of the brokers, then try again": OUTSIDE,
    "take a new FOOTFALL_TOPIC_PREFIX, run footfall topics apply, and let producers and workers go on there": (
        "tests/broker/test_partitions.py::"
        "test_all_topics_grown_and_the_setting_raised_with_them_is_refused_everywhere_and_the_advice_leads_on"
    ),
    "use the release that wrote it, or a later one; if none did, find out who else writes to that topic": LOOK,
    "find out who else writes to that topic": LOOK,
    "start the release that wrote it, or a later one": SAYS,
    "set FOOTFALL_PARTITIONS={} for every worker and command": (
        "tests/broker/test_partitions.py::"
        "test_a_setting_that_is_wrong_is_corrected_as_advised_and_makes_no_topic_beside_the_others"
    ),
    "use the release and the settings that the workers have": SAYS,
    "set FOOTFALL_CONTROL_KEY to the key that worker anonymize has, and FOOTFALL_CONTROL_KEY_PREVIOUS to the one before"
    " where it was changed": "tests/broker/test_announcing.py::test_a_new_control_key_is_announced_by_the_one_before",
    "agree on one, and run this again": (
        "tests/pipeline/test_topics.py::test_a_change_is_appended_once_to_each_partition_also_to_one_without_a_record"
    ),
    "start it with the release and the settings in force, or announce these by footfall topics fold": (
        "tests/broker/test_announcing.py::"
        "test_every_partition_is_ready_under_the_new_release_and_the_old_one_leaves_and_back"
    ),
    "set FOOTFALL_PSEUDONYM_KEY to the key that worker anonymize has had": SAYS,
    "set FOOTFALL_CONTROL_KEY to that; to change it set FOOTFALL_CONTROL_KEY_PREVIOUS to that and run footfall topics"
    " fold": "tests/broker/test_announcing.py::test_a_new_control_key_is_announced_by_the_one_before",
    "use the release and the settings that worker aggregate has": SAYS,
    # workers
    "start it with what is in force, or announce this one by footfall topics fold": (
        "tests/broker/test_announcing.py::"
        "test_every_partition_is_ready_under_the_new_release_and_the_old_one_leaves_and_back"
    ),
    "start anonymize of this release first, then me again (without an announced change: other settings; see `topics"
    " fold`)": "tests/broker/test_announcing.py::test_the_new_release_waits_out_of_the_group_and_says_for_how_much",
    "start aggregate with the release and the settings that worker anonymize has": (
        "tests/broker/test_announcing.py::test_the_new_release_waits_out_of_the_group_and_says_for_how_much"
    ),
    "start the release and the settings that footfall topics fold announced": (
        "tests/broker/test_announcing.py::test_the_new_release_waits_out_of_the_group_and_says_for_how_much"
    ),
    "set it below {}": SAYS,
    "unset it here": SAYS,
    "leave one out": SAYS,
    "unset that, or add --broker embedded": SAYS,
    "run footfall topics apply": "tests/pipeline/test_topics.py::test_the_commands_from_nothing_to_a_fold",
    "start footfall up --announce to go on under these, or start it as it was": (
        "tests/broker/test_up.py::test_it_goes_on_under_other_settings_only_where_it_is_told_to"
    ),
}
"""Advice of the files below; of the others that which changes something."""
LOOKED_AT: Final = ("broker/begun.py", "broker/chunks.py", "broker/digests.py", "worker/turns.py", "stack.py")
"""Files of which each refusal must be in ``FOLLOWED``."""
NEVER: Final = ("set FOOTFALL_PARTITIONS to what it has", "empty it", "delete the topic", "remove the state")
"""What no advice says: it doubled figures or lost them."""


def written() -> Iterator[Source]:
    """Every advice in the program."""
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: _text(node.value, {})
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "StartupError":
                for advice in _alternatives(node.args[1]):
                    yield path.relative_to(ROOT / "pipeline").as_posix(), _text(advice, constants)


def _alternatives(node: ast.expr) -> list[ast.expr]:
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return constants.get(node.id, "{}") if isinstance(node, ast.Name) else "{}"


WRITTEN: Final = sorted(set(written()))


@pytest.mark.parametrize("source", [each for each in WRITTEN if each[0] in LOOKED_AT], ids=" ".join)
def test_what_comes_of_every_advice_is_known(source: Source) -> None:
    assert source[1] in FOLLOWED


@pytest.mark.parametrize("advice", FOLLOWED)
def test_no_advice_is_looked_after_that_nobody_gives(advice: str) -> None:
    assert advice in {text for _, text in WRITTEN}


@pytest.mark.parametrize("named", sorted({where for where in FOLLOWED.values() if "::" in where}))
def test_whoever_follows_it_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("source", WRITTEN, ids=" ".join)
def test_no_advice_does_harm(source: Source) -> None:
    assert not any(words in source[1] for words in NEVER)
