"""The whole flow on one screen: who there is, and which topics each reads, keeps its state in and writes.

Workers, the readers and writers of topics, ACLs, documents and the drawing of the flow are made from :data:`ROLES`.
Topics go by their short names (:mod:`schemas.topics`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["OPERATOR", "ROLES", "STAGES", "Kind", "Role", "Stage", "changelog"]

Kind = Literal["anonymize", "aggregate"]
"""The two workers."""


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody with a login of its own: a worker, or people and programs outside; ``reads`` and ``writes`` topics.

    ``manages``: it makes topics, announces settings and replays, so it reads every topic.
    """

    name: str
    does: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    manages: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One worker: its agent reads ``source`` a chunk at a time and keeps its state in a changelog of its own.

    ``outputs`` hold nothing before there is state. ``returns``: it also writes to its source. ``mends``: outputs that
    it reads again at a recovery.
    """

    kind: Kind
    does: str
    source: str
    outputs: tuple[str, ...]
    holds_key: bool
    returns: bool = False
    mends: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The changelog that the state is kept in."""
        return changelog(self.kind)

    @property
    def role(self) -> Role:
        """What the worker's login may do."""
        back = (self.source,) if self.returns else ()
        return Role(self.kind, self.does, (self.source, *self.mends, self.state), (*self.outputs, *back, self.state))


def changelog(kind: Kind) -> str:
    """Short name of the topic that a worker's state is kept in."""
    return f"{kind}-state"


STAGES: Final[Mapping[Kind, Stage]] = MappingProxyType(
    {
        stage.kind: stage
        for stage in (
            Stage(
                "anonymize",
                "accept by form, place at home, decide lateness, duplicates and consent, allow, pseudonymize",
                source="raw",
                outputs=("clean", "rejected", "ledger"),
                holds_key=True,
                returns=True,  # ticks, and records that lie in another partition than their company's
            ),
            Stage(
                "aggregate",
                "count and keep distinct sets by company, metric and window, emit what changed or closed",
                source="clean",
                outputs=("aggregates", "corrections"),
                holds_key=False,
                mends=("aggregates",),
            ),
        )
    }
)
"""Each stage by its worker's name, in flow order."""

_ALL: Final = (*{topic: None for stage in STAGES.values() for topic in (stage.source, *stage.outputs, stage.state)},)
OPERATOR: Final = "operator"
ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role("producers", "publish what products report", writes=("raw",)),
            *(stage.role for stage in STAGES.values()),
            Role(
                "analysts",
                "bill and analyse; every command that only looks at figures, books and rejections",
                reads=("aggregates", "rejected", "ledger", "corrections"),
            ),
            Role(
                OPERATOR,
                "make topics, announce settings, verify, explain, replay, look after the workers",
                reads=_ALL,
                writes=("raw", "aggregates"),  # control records, and what a replay is promoted to
                manages=True,
            ),
        )
    }
)
"""Everybody who may connect, by name."""
