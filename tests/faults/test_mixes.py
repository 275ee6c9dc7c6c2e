"""Each fault alone, and some random mixes; ``make faults SEEDS=…`` runs as many as one likes."""

from collections.abc import Iterator

import pytest

from tests.faults.mixes import MixResult, draw_mix
from tests.faults.running import Ran, run_all, run_groups
from tests.faults.troubles import CLUSTER, SINGLE
from tests.faults.troubles.releases import NoHistoryError

pytestmark = [pytest.mark.broker, pytest.mark.timeout(2700)]

AT_ONCE = 2
A_GROUP = {1: 7, 3: 4}
"""By brokers: faults that one deployment is put through in turn, since starting brokers takes longer than most."""
OF_ITS_OWN = ("disk_full", "releases_side_by_side", "upgrade_announced")
"""What makes something of the deployment that others should not meet: small disks, skipping, other settings."""
PROOFS = {
    "zombie_with_requests_in_flight": ("landed",),
    "connections_reset": ("reset",),
    "requests_cut": ("cut",),
    "answers_lost": ("lost answers",),
    "requests_lost": ("lost requests",),
    "worker_cut_off": ("lost requests", "lost answers"),
    "replication_cut": ("lost requests", "lost answers"),
    "descriptors_run_out": ("reset",),
    "disk_full": ("disk full",),
    "clocks_stepped": ("another clock at work",),
    "changelogs_compacted": ("records removed by the cleaner",),
    "hostile_batches": ("hostile batches taken",),
    "upgrade_announced": ("announced upgrades",),
}
"""What must be seen to have happened, any of it, by the name of the fault.

A connection that is cut both ways loses an answer where one was under way, else a request.
"""
ALONE = [*SINGLE, *(name for name in CLUSTER if name not in SINGLE)]
MIXES = [seed for seed in range(1, 100) if "releases_side_by_side" not in draw_mix(seed).troubles][:2]


def groups() -> Iterator[list[MixResult]]:
    """Every fault once, those of a group in one deployment of one broker or of three."""
    for nodes in (1, 3):
        names = [name for name in ALONE if (name in SINGLE) == (nodes == 1)]
        shared = [name for name in names if name not in OF_ITS_OWN]
        apart = [[name] for name in names if name in OF_ITS_OWN]
        for group in [*apart, *(shared[at : at + A_GROUP[nodes]] for at in range(0, len(shared), A_GROUP[nodes]))]:
            yield [draw_mix(1, nodes=nodes, only=name) for name in group]


@pytest.fixture(scope="module")
def outcomes() -> dict[object, Ran]:
    """What came of each, by fault or seed."""
    found: dict[object, Ran] = {ran.result.troubles[0]: ran for ran in run_groups(groups(), AT_ONCE)}
    return found | {ran.result.seed: ran for ran in run_all([draw_mix(seed) for seed in MIXES], AT_ONCE)}


def equal(ran: Ran) -> MixResult:
    if NoHistoryError.__name__ in ran.result.error:
        pytest.skip("this checkout has no history, so there is no previous release to run beside this one")
    assert not ran.result.error, f"{ran.told}\nits folder is {ran.folder}"
    assert ran.result.counted > 200
    return ran.result


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("name", ALONE)
def test_the_fault_alone_changes_no_figure(name: str, outcomes: dict[object, Ran]) -> None:
    result = equal(outcomes[name])
    assert result.in_flight, "no data was in flight when the fault began"
    assert name not in PROOFS or any(result.passed[what] for what in PROOFS[name]), result.passed


@pytest.mark.requirement("T13")
@pytest.mark.parametrize("seed", MIXES)
def test_a_random_mix_changes_no_figure(seed: int, outcomes: dict[object, Ran]) -> None:
    result = equal(outcomes[seed])
    assert result.in_flight
