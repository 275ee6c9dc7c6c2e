"""Who owns and who follows a partition: even, sticky, and readable by releases that know nothing of it."""

from types import SimpleNamespace

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from pipeline.worker.assignor import Held, StateAssignor, place

SETS = st.frozensets(st.integers(0, 11))
HELD = st.builds(Held, SETS, SETS)
MEMBERS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), HELD, min_size=1, max_size=7)
CLUSTER = SimpleNamespace(partitions_for_topic=lambda _topic: set(range(8)))


@given(st.integers(1, 12), MEMBERS, st.integers(0, 3))
def test_every_partition_has_one_owner_and_enough_followers(count: int, members: dict[str, Held], wanted: int) -> None:
    placed = place(range(count), members, wanted)
    assert sorted(partition for held in placed.values() for partition in held.owned) == list(range(count))
    loads = [len(held.owned) for held in placed.values()]
    assert max(loads) - min(loads) <= 1
    followers = [sum(partition in held.followed for held in placed.values()) for partition in range(count)]
    assert followers == [min(wanted, len(members) - 1)] * count
    assert not any(held.owned & held.followed for held in placed.values())


@given(st.integers(1, 12), MEMBERS, st.integers(0, 3))
def test_who_has_a_partition_keeps_it_while_the_group_stays(count: int, members: dict[str, Held], wanted: int) -> None:
    placed = place(range(count), members, wanted)
    again = place(range(count), placed, wanted)
    assert {name: held.owned for name, held in again.items()} == {name: held.owned for name, held in placed.items()}


def test_the_partitions_of_a_dead_worker_go_to_those_who_followed_them() -> None:
    two = place(range(8), {"a": Held(), "b": Held()}, 1)
    alone = place(range(8), {"b": two["b"]}, 1)
    assert two["a"].owned <= two["b"].followed
    assert alone == {"b": Held(frozenset(range(8)))}
    left = {"a": Held(frozenset({0, 1}), frozenset({5})), "c": Held(frozenset({2, 3}), frozenset({4}))}
    after = place(range(6), left, 1)
    assert {name: held.owned for name, held in after.items()} == {"a": {0, 1, 5}, "c": {2, 3, 4}}


def test_a_leader_of_another_release_and_members_of_one_are_understood() -> None:
    told = RoundRobinPartitionAssignor.assign(
        CLUSTER, {name: StateAssignor(1, 8).metadata(["t"]) for name in ("a", "b")}
    )
    placing = StateAssignor(1, 8)
    placing.on_assignment(ConsumerProtocolMemberAssignment.decode(told["a"].encode()))
    assert placing.held == Held(frozenset({0, 2, 4, 6}))
    unread = ConsumerProtocolMemberMetadata(0, ["t"], None)
    assert len(placing.assign(CLUSTER, {"a": unread})["a"].partitions()) == 8
    members = {"old": RoundRobinPartitionAssignor.metadata(["t"]), "new": placing.metadata(["t"])}
    sent = {name: ConsumerProtocolMemberMetadata.decode(each.encode()) for name, each in members.items()}
    found = placing.assign(CLUSTER, sent)
    assert sorted(partition for each in found.values() for _, partition in each.partitions()) == [*range(8)]
    assert {key.partition for key in found["new"].partitions()} == {0, 2, 4, 6}


def test_a_leader_that_knows_no_partition_of_the_topic_for_now_gives_every_one_an_owner() -> None:
    placing = StateAssignor(1, 8)
    found = placing.assign(SimpleNamespace(partitions_for_topic=lambda _topic: None), {"a": placing.metadata(["t"])})
    assert {key.partition for key in found["a"].partitions()} == {*range(8)}


def test_a_worker_without_standbys_follows_nothing() -> None:
    leader, member = StateAssignor(1, 8), StateAssignor(0, 8)
    found = leader.assign(CLUSTER, {"a": leader.metadata(["t"]), "b": member.metadata(["t"])})
    leader.on_assignment(found["a"])
    member.on_assignment(found["b"])
    assert leader.followed == member.held.owned != frozenset()
    assert member.followed == frozenset()
