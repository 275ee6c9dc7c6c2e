"""What does not count makes no new shape: the compiled part asks of the state once for events that count alike."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.core.accept.fast_path import FastPathRun
from agents.core.shared.records import RawRecord
from schemas.catalogue.types import EVENT_TYPES
from tests.core.events_hostile import GOOD
from tests.core.test_fast_path import NEEDS_COMPILER
from tests.core.test_native import NOON, ready

pytestmark = NEEDS_COMPILER
COUNT = 500
OTHERS = sorted({field.name for entry in EVENT_TYPES.values() for field in entry.fields} - {"assistant", "module"})
DATA = {"assistant": "a1", "module": "m1"}


def asked(change: Callable[[int], dict[str, Any]]) -> int:
    """How many shapes the compiled part asks about in as many events, each with another change."""
    state, _ = ready(1)
    events = [
        {**GOOD, "id": f"{at}", "sequence": at, "type": "prompt.submitted", "data": DATA} | change(at)
        for at in range(COUNT)
    ]
    run = FastPathRun(
        state, [RawRecord(at, NOON, b"acme", json.dumps(event).encode()) for at, event in enumerate(events)]
    )
    shapes: list[Any] = []
    of = run.shape
    run.shape = lambda told: (shapes.append(told), of(told))[1]  # type: ignore[method-assign]
    assert run.run(0) == (COUNT, 0)
    assert {tuple(state.builder.columns()[4])} == {(0,) * COUNT}
    return len(shapes)


def reordered(at: int) -> dict[str, Any]:
    items = [*DATA.items(), *((name, f"{at}") for name in OTHERS[: at % 9])]
    return {"data": dict(items[at % len(items) :] + items[: at % len(items)])}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda at: {"data": DATA | {OTHERS[at % len(OTHERS)]: f"v{at}"}}, id="a field of another type"),
        pytest.param(lambda at: {"data": DATA | {OTHERS[at % len(OTHERS)]: [at, None, {"x": at}]}}, id="no text"),
        pytest.param(lambda at: {"data": DATA | {f"unknown{at}": f"v{at}"}}, id="an unknown field"),
        pytest.param(lambda at: {f"x{at}": "x" * (at % 300)}, id="an unknown attribute"),
        pytest.param(lambda at: {"data": DATA | {"user": f"u{at}"}}, id="a user"),
        pytest.param(reordered, id="another order"),
    ],
)
def test_what_does_not_count_makes_no_new_shape(change: Callable[[int], dict[str, Any]]) -> None:
    assert asked(change) == 1


def test_what_counts_makes_one() -> None:
    state, _ = ready(1)
    events = [
        {**GOOD, "sequence": at, "type": "prompt.submitted", "data": DATA | {"module": f"m{at % 7}"}}
        for at in range(70)
    ]
    run = FastPathRun(
        state, [RawRecord(at, NOON, b"acme", json.dumps(event).encode()) for at, event in enumerate(events)]
    )
    assert run.run(0) == (70, 0)
    assert len(set(state.builder.columns()[4])) == 7
