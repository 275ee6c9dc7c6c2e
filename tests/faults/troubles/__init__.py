"""The faults: what each does to a deployment while it is at work, by theme. All are over when their function returns.

The first word of a docstring is the row of the catalogue (``docs/reliability.md``) that the fault belongs to.
"""

from collections.abc import Mapping

from tests.faults.troubles import brokers, compaction, machines, network, outside, releases, workers
from tests.faults.troubles.choosing import Trouble

__all__ = ["CLUSTER", "SINGLE", "Trouble"]


def _named(*troubles: Trouble) -> dict[str, Trouble]:
    return {trouble.__name__: trouble for trouble in troubles}


SINGLE: Mapping[str, Trouble] = _named(
    workers.worker_killed,
    workers.worker_killed_at_a_point,
    workers.worker_restarted,
    workers.worker_paused,
    workers.workers_join_and_leave,
    workers.zombie_with_requests_in_flight,
    network.connections_reset,
    network.requests_cut,
    network.answers_lost,
    network.requests_lost,
    network.slow_link,
    network.worker_cut_off,
    brokers.broker_paused,
    brokers.broker_paused_half_a_minute,
    brokers.broker_crashed,
    machines.clocks_stepped,
    machines.descriptors_run_out,
    machines.disk_full,
    releases.releases_side_by_side,
    releases.upgrade_announced,
    compaction.changelogs_compacted,
    outside.hostile_batches,
    outside.offsets_moved,
    outside.poison,
)
"""What one broker can be put through."""
CLUSTER: Mapping[str, Trouble] = {
    **SINGLE,
    **_named(
        brokers.brokers_bounced,
        brokers.all_brokers_down,
        brokers.all_brokers_down_for_a_minute,
        brokers.leader_killed,
        brokers.coordinator_killed,
        brokers.controller_killed,
        brokers.two_brokers_killed,
        network.replication_cut,
    ),
}
"""What three can."""
