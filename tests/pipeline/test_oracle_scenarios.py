"""The oracle says of every named example what was worked out by hand."""

import pytest

from tests.control_kit import expected as expected_of
from tests.scenario_kit import PARTITIONS, Scenario
from tests.scenarios import SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_named_examples(scenario: Scenario) -> None:
    result = expected_of(scenario.stored(), scenario.deciding, PARTITIONS, record_duplicates=True)
    found = {identity: (item["value"], item["status"]) for identity, item in result.figures.items()}
    wanted = dict(scenario.expected)
    assert {identity: found.get(identity) for identity in wanted} == wanted
    complete = {identity for identity in found if identity.split("|")[1] in scenario.complete}
    assert complete <= set(wanted)
    assert sorted((item.path, item.reason) for item in result.rejections) == sorted(scenario.rejected)
    assert result.moved == scenario.moved
    named = {identity for identity, _ in scenario.corrections}
    corrections = {
        (each.id, each.cause.offset): (each.old, each.new) for each in result.corrections.values() if each.id in named
    }
    assert corrections == scenario.corrections


def test_names_are_told_apart() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
