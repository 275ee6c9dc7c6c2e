"""Hypothesis tells the story: any order of any troubles changes no figure, and a planted bug comes out."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.protocol.machine import ProtocolMachine
from tests.protocol.rules import PLANTED
from tests.protocol.schedules import small_batches
from tests.protocol.simulation import NoRestError

EXAMPLES = settings(max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=[*HealthCheck])
SEARCH = settings(
    EXAMPLES, max_examples=300, derandomize=True, phases=[Phase.generate], database=None, report_multiple_bugs=False
)
COMMON = ("commit before outputs", "state before outputs", "half a batch written", "untouched keys not written")
"""Bugs that some dozens of stories find; the rare ones are for many schedules from seeds."""


@pytest.fixture(autouse=True, scope="module")
def _small_batches() -> Iterator[None]:
    with small_batches():
        yield


@pytest.mark.timeout(900)  # hypothesis may take five minutes to shorten one that fails
def test_any_story_equals_the_oracle() -> None:
    run_state_machine_as_test(ProtocolMachine, settings=EXAMPLES)


@pytest.mark.parametrize("bug", COMMON)
def test_stories_find_a_planted_bug(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    with pytest.raises((AssertionError, NoRestError)):
        run_state_machine_as_test(ProtocolMachine, settings=SEARCH)
