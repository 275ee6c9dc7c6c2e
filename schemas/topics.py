"""The topics, declared once: names, keys, values, zones, and the settings that a broker must hold (design 1.1).

Creation, the check before a start, AsyncAPI, documents and ACLs are all made from :data:`TOPICS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from schemas.flow import ROLES, Kind, changelog
from schemas.limits import DAY_MS

__all__ = [
    "COMPACTION_LAG_MS",
    "ENFORCED",
    "MIN_IN_SYNC",
    "TOPICS",
    "TopicSpec",
    "Zone",
    "topic_config",
    "topic_name",
]

_MIB: Final = 1 << 20
MIN_IN_SYNC: Final = 2
"""``min.insync.replicas`` where replication is 3 or more."""
COMPACTION_LAG_MS: Final = DAY_MS
"""For how long the cleaner leaves a record of a compacted topic alone."""
ENFORCED: Final = ("cleanup.policy", "message.timestamp.type", "min.compaction.lag.ms", "max.message.bytes")
"""Settings in which a topic must equal the table; ``retention.ms`` may be longer."""


class Zone(StrEnum):
    """Whether a topic may hold what is personal; only one worker may read such a topic."""

    PII = "pii"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic of the table; ``config`` holds its Kafka settings, the same for every replication.

    ``suffix`` follows the topic prefix.
    """

    short: str
    suffix: str
    key: str
    value: str
    policy: str
    zone: Zone
    config: Mapping[str, str]

    @property
    def writers(self) -> tuple[str, ...]:
        """Who writes it in daily work, by the names in :data:`schemas.flow.ROLES`."""
        return tuple(role.name for role in ROLES.values() if self.short in role.writes and not role.manages)

    @property
    def readers(self) -> tuple[str, ...]:
        """Who reads it in daily work, by the same names."""
        return tuple(role.name for role in ROLES.values() if self.short in role.reads and not role.manages)


def _deleted(days: int, max_bytes: int) -> Mapping[str, str]:
    return MappingProxyType(
        {
            "cleanup.policy": "delete",
            "retention.ms": str(days * DAY_MS),
            "retention.bytes": "-1",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(max_bytes),
            "unclean.leader.election.enable": "false",
        }
    )


def _kept(max_bytes: int) -> Mapping[str, str]:
    """Append-only, and never deleted by age."""
    return MappingProxyType({**_deleted(0, max_bytes), "retention.ms": "-1"})


def _compacted(max_bytes: int) -> Mapping[str, str]:
    """No ``retention.ms``: nothing is deleted by age under this policy."""
    return MappingProxyType(
        {
            "cleanup.policy": "compact",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(max_bytes),
            "min.compaction.lag.ms": str(COMPACTION_LAG_MS),
            "unclean.leader.election.enable": "false",
        }
    )


def _changelog(app: Kind, value: str, zone: Zone) -> TopicSpec:
    return TopicSpec(
        short=changelog(app),
        suffix=f"-{app}-state-changelog",
        key="state key",
        value=value,
        policy="compacted, after 24 hours at the earliest",
        zone=zone,
        config=_compacted(16 * _MIB),
    )


_TABLE: Final = (
    TopicSpec(
        short="raw",
        suffix=".raw.v1",
        key="company",
        value="a CloudEvents 1.0 event as JSON, or an array of events of one company",
        policy="deleted after 7 days",
        zone=Zone.PII,
        config=_deleted(7, 2 * _MIB),
    ),
    TopicSpec(
        short="clean",
        suffix=".clean.v1",
        key="none",
        value="one chunk of a raw partition: its range, its watermarks, its counted events without anything personal",
        policy="deleted after 35 days",
        zone=Zone.CLEAN,
        config=_deleted(35, 16 * _MIB),
    ),
    TopicSpec(
        short="aggregates",
        suffix=".aggregates.v1",
        key="aggregate id",
        value="an aggregate record as JSON; of an id the one of the highest revision is the truth",
        policy="compacted, after 24 hours at the earliest",
        zone=Zone.CLEAN,
        # Append time here too, so that the compaction lag is measured by the broker's clock alone.
        config=_compacted(2 * _MIB),
    ),
    TopicSpec(
        short="rejected",
        suffix=".rejected.v1",
        key="company where form and key are right, else none",
        value="why an event was not counted, never its content",
        policy="deleted after 35 days",
        zone=Zone.CLEAN,
        config=_deleted(35, 2 * _MIB),
    ),
    TopicSpec(
        short="ledger",
        suffix=".ledger.v1",
        key="partition, hour of append time, and company where there is one",
        value="the books: what became of the events of an hour of a raw partition, chained by hashes",
        policy="kept",
        zone=Zone.CLEAN,
        config=_kept(2 * _MIB),
    ),
    TopicSpec(
        short="corrections",
        suffix=".corrections.v1",
        key="aggregate id",
        value="a change of a figure after its window had closed: old, new, difference, revision and cause",
        policy="kept",
        zone=Zone.CLEAN,
        config=_kept(2 * _MIB),
    ),
    _changelog("anonymize", "watermark, consent, seen sequences and ids, all under pseudonyms", Zone.CLEAN),
    _changelog("aggregate", "counts, activity under pseudonyms, what has been emitted", Zone.CLEAN),
)

TOPICS: Final[Mapping[str, TopicSpec]] = MappingProxyType({spec.short: spec for spec in _TABLE})
"""Short name to topic, in flow order, changelogs last."""


def topic_name(prefix: str, short: str) -> str:
    """The full name of the topic ``short`` under ``prefix``; raises KeyError for one that is not in the table."""
    return prefix + TOPICS[short].suffix


def topic_config(short: str, replication: int) -> dict[str, str]:
    """Kafka settings of the topic ``short`` with ``replication`` replicas; KeyError where it is not in the table."""
    config = dict(TOPICS[short].config)
    if replication >= 3:
        config["min.insync.replicas"] = str(MIN_IN_SYNC)
    return config
