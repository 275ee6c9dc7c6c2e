"""Each fault alone, and some random mixes; ``make faults SEEDS=…`` runs as many as one likes."""

import pytest

from tests.faults.mixes import MixResult, draw_mix
from tests.faults.running import Ran, run_all
from tests.faults.troubles import CLUSTER, SINGLE
from tests.faults.troubles.machines import NoHistoryError

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1800)]

AT_ONCE = 4
"""Most of the time of each is waiting."""
PROOFS = {
    "zombie_with_requests_in_flight": "landed",
    "connections_reset": "reset",
    "requests_cut": "cut",
    "answers_lost": "lost answers",
    "requests_lost": "lost requests",
    "worker_cut_off": "lost requests",
    "replication_cut": "lost answers",
    "descriptors_run_out": "reset",
    "disk_full": "disk full",
    "clocks_stepped": "another clock at work",
    "changelogs_compacted": "records removed by the cleaner",
    "hostile_batches": "hostile batches taken",
}
"""What must be seen to have happened, by the name of the fault."""
ALONE = [*SINGLE, *(name for name in CLUSTER if name not in SINGLE)]
MIXES = [seed for seed in range(1, 100) if "releases_side_by_side" not in draw_mix(seed).troubles][:3]


@pytest.fixture(scope="module")
def outcomes() -> dict[object, Ran]:
    """What came of each, by fault or seed."""
    alone = {name: draw_mix(1, nodes=1 if name in SINGLE else 3, only=name) for name in ALONE}
    found: dict[object, Ran] = {}
    for ran in run_all(alone.values(), AT_ONCE, at_work=1):
        found[ran.result.troubles[0]] = ran
    for ran in run_all([draw_mix(seed) for seed in MIXES], AT_ONCE):
        found[ran.result.seed] = ran
    return found


def equal(ran: Ran) -> MixResult:
    if NoHistoryError.__name__ in ran.result.error:
        pytest.skip("this checkout has no history, so there is no previous release to run beside this one")
    assert not ran.result.error, f"{ran.told}\nits folder is {ran.folder}"
    assert ran.result.counted > 500
    return ran.result


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("name", ALONE)
def test_the_fault_alone_changes_no_figure(name: str, outcomes: dict[object, Ran]) -> None:
    result = equal(outcomes[name])
    assert result.in_flight, "no data was in flight when the fault began"
    assert name not in PROOFS or result.passed[PROOFS[name]]


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("seed", MIXES)
def test_a_random_mix_changes_no_figure(seed: int, outcomes: dict[object, Ran]) -> None:
    result = equal(outcomes[seed])
    assert result.in_flight
