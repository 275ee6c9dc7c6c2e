"""Which worker owns and which follows a partition: state stays where it is, as far as the load is even.

The group's leader decides. Every member tells it in its subscription what it owned and followed, and is told in its
assignment what to follow; both are hints that change no figure, only how long a recovery takes.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from schemas.wire.forms import UNREADABLE

__all__ = ["Held", "StateAssignor", "place"]


@dataclass(frozen=True, slots=True)
class Held:
    """The partitions of a member: those it owns and those it follows."""

    owned: frozenset[int] = field(default_factory=frozenset)
    followed: frozenset[int] = field(default_factory=frozenset)


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Held).decode


def place(partitions: Collection[int], members: Mapping[str, Held], standbys: int) -> dict[str, Held]:
    """Give every partition an owner and as many followers as there are other members, ``standbys`` at most.

    Owners hold as many partitions as each other, or one more. A partition stays with its owner, else goes to one who
    followed it, else to anyone.
    """
    owned = _owners(sorted(partitions), members)
    followed: dict[str, set[int]] = {name: set() for name in members}
    most = -(-len(partitions) * min(standbys, len(members) - 1) // len(members))
    for partition in sorted(partitions):
        able = [name for name in sorted(members) if partition not in owned[name]]

        def burden(name: str, partition: int = partition) -> tuple[bool, int]:
            """Those who know the partition and have room before those who do not, the least laden first."""
            load, held = len(followed[name]), members[name]
            return partition not in held.followed | held.owned or load >= most, load

        for name in sorted(able, key=burden)[:standbys]:
            followed[name].add(partition)
    return {name: Held(frozenset(owned[name]), frozenset(followed[name])) for name in members}


def _owners(partitions: list[int], members: Mapping[str, Held]) -> dict[str, set[int]]:
    least, extra = divmod(len(partitions), len(members))
    owned: dict[str, set[int]] = {name: set() for name in members}

    def has_room(name: str) -> bool:
        fuller = sum(len(each) > least for each in owned.values())
        return len(owned[name]) < least or (len(owned[name]) == least and fuller < extra)

    def give(wanted: Iterable[int], kind: str) -> list[int]:
        """Give each to the least laden of those that hold it and have room; those that nobody took."""
        left = []
        for partition in wanted:
            able = [
                name
                for name in sorted(members)
                if has_room(name) and (kind == "any" or partition in getattr(members[name], kind))
            ]
            if able:
                owned[min(able, key=lambda name: len(owned[name]))].add(partition)
            else:
                left.append(partition)
        return left

    give(give(give(partitions, "owned"), "followed"), "any")
    return owned


class StateAssignor:
    """An assignor of aiokafka's group coordinator; one a consumer. ``held`` is what the last assignment said.

    ``partitions`` says how many there are: the cluster that the leader knows may have none for a while, such as behind
    a broker that has just started, and the group would then own nothing until the leader's metadata is next renewed.

    It goes by the name of the client's own so that a release without it may be in the group as well: what that one
    says of its partitions is nothing, and it follows none.
    """

    name = "roundrobin"
    version = 0

    def __init__(self, standbys: int, partitions: int) -> None:
        self._standbys = standbys
        self._partitions = partitions
        self.held = Held()

    @property
    def followed(self) -> frozenset[int]:
        """The partitions that this member is to follow."""
        return self.held.followed

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells the leader."""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), _encode(self.held))

    def assign(
        self, _cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """As the leader: place the partitions of the one topic that every member reads."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        known = {name: _read(member.user_data) for name, member in members.items()}
        found: dict[str, ConsumerProtocolMemberAssignment] = {}
        for topic in topics:
            placed = place(range(self._partitions), known, self._standbys)
            for name, held in placed.items():
                found[name] = ConsumerProtocolMemberAssignment(
                    self.version, [(topic, sorted(held.owned))] if held.owned else [], _encode(held)
                )
        return found

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """What the leader told this member; a leader without standbys tells what to own alone."""
        sent = _read(assignment.user_data)
        owned = frozenset(key.partition for key in assignment.partitions())
        self.held = Held(owned, sent.followed - owned if self._standbys else frozenset())


def _read(data: bytes | None) -> Held:
    try:
        return _decode(data or b"{}")
    except UNREADABLE:
        return Held()
