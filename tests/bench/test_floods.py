"""Floods of invented names leave an honest company's figures exact, and end at their bounds."""

import pytest

from bench.floods import FLOODS, flood
from schemas.bounds import Bound


@pytest.mark.parametrize("name", FLOODS)
def test_an_honest_company_is_counted_beside_each_flood(name: str) -> None:
    found = flood(name, 3000)
    assert found.honest == 0
    assert found.over[Bound.INTERVALS] == (1994 if name == "sequences with gaps" else 0)


def test_neither_company_sends_with_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the bound of intervals takes events from both: from the 1,000th gap on."""
    monkeypatch.setattr("bench.floods._HONEST_EVERY", 2)
    found = flood("users", 4500)
    assert found.honest == 0
    assert not found.over
