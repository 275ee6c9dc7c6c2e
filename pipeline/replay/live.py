"""What the live sink and worker aggregate's state say: read, and judged against what a replay came to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agents.core.count.state import Entry
from agents.core.replay.refold import Period, Refold
from agents.core.shared.joins import ENTRY_KEY
from agents.core.shared.windows import Span
from pipeline.broker.acls import group_name
from pipeline.broker.admin import admin, coordinated
from pipeline.broker.begun import readable_state
from pipeline.kafka.reader import LogReader
from pipeline.kafka.recovery import last_entry
from pipeline.settings.settings import Settings
from pipeline.unknown import known
from schemas.catalogue.metrics import Kind
from schemas.deciding import Deciding
from schemas.topics import topic_name
from schemas.wire.aggregates import Status, decode_aggregate

__all__ = ["Judge", "Standing", "Verdict", "entries", "has_members", "live_figures", "standing_of"]


class Standing(NamedTuple):
    """What a sink says of a figure."""

    revision: int
    value: int
    status: str
    kind: str = Kind.COUNT.value
    members: tuple[object, ...] = ()
    """What its record says beside, of some kinds."""

    @property
    def may_fall(self) -> bool:
        """Whether a later event may make the figure less."""
        return self.kind == Kind.GAUGE

    @property
    def last(self) -> int:
        """Raw offset of the record that changed it last."""
        return self.revision // 2

    @property
    def is_closed(self) -> bool:
        """Whether its window had closed."""
        return bool(self.revision % 2)


class Verdict(StrEnum):
    """How the live sink stands to a replayed figure."""

    EQUAL = "equal"
    MOVED_ON = "moved on"
    """The live figure went on behind the replay's end."""
    BEHIND = "behind"
    """Worker aggregate has not emitted so far."""
    DIFFERENT = "different"


def standing_of(value: bytes) -> Standing:
    """The standing that an aggregate record gives; raises :class:`schemas.wire.forms.UnknownFormError`."""
    standing = decode_aggregate(value)
    return Standing(standing.revision, standing.value, standing.status.value, standing.kind.value, standing.members)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the live figures of one partition.

    ``refold`` is the replay at its end; ``emitted`` is the worker's entry, read before the live sink was: up to it
    everything is there.
    """

    refold: Refold
    emitted: Entry

    def of(self, span: Span, wanted: Standing | None, live: Standing | None) -> Verdict:
        """The verdict on a figure of window ``span`` that at least one of both has."""
        if live is not None and self._went_on(span, wanted, live):
            return Verdict.MOVED_ON
        if wanted is None or live == wanted:
            return Verdict.DIFFERENT if wanted is None else Verdict.EQUAL
        behind = live is None or live.last < wanted.last or (_alike(wanted, live) and not live.is_closed)
        return Verdict.BEHIND if behind and self._is_due(span, wanted) else Verdict.DIFFERENT

    def _went_on(self, span: Span, wanted: Standing | None, live: Standing) -> bool:
        """Whether what the live sink has more came behind the replay's end: an event, which adds, or a watermark."""
        reached = self.refold.entry
        if live.last > reached.fence:
            return wanted is None or live.may_fall or live.value > wanted.value
        if wanted is None:
            return span.shows > reached.closing_watermark
        return _alike(wanted, live) and live.is_closed and not wanted.is_closed

    def _is_due(self, span: Span, wanted: Standing) -> bool:
        """Whether worker aggregate has still to emit the figure as it is wanted."""
        through = self.emitted.emitted_closing_watermark
        late = wanted.last > self.emitted.emitted_fence or through < span.shows
        return late or (wanted.is_closed and through < span.closes)


def _alike(one: Standing, other: Standing) -> bool:
    """Whether both stand the same but for whether the window had closed."""
    corrected = [each.status == Status.CORRECTED for each in (one, other)]
    return one.last == other.last and one.value == other.value and corrected[0] == corrected[1]


async def entries(reader: LogReader, settings: Settings) -> dict[int, Entry]:
    """Worker aggregate's entry of each partition that has state."""
    topic, found = topic_name(settings.topic_prefix, "aggregate-state"), {}
    for partition in range(settings.partitions):
        value = (await last_entry(reader, topic, partition)).get(ENTRY_KEY)
        if value is not None:
            with readable_state(topic, partition, settings.partitions):
                found[partition] = Entry.read(value, settings.partitions)
    return found


async def live_figures(
    reader: LogReader, topic: str, partition: int, period: Period, deciding: Deciding
) -> dict[bytes, Standing]:
    """Id to standing at the highest revision, for the figures of the period in one partition of the live sink."""
    found: dict[bytes, Standing] = {}
    first, end = await reader.bounds(topic, partition)
    async for records in reader.records(topic, partition, first, end):
        for record in records:
            if record.key is None or record.value is None:
                continue
            key = bytes(record.key)
            if period.span(key.decode("utf-8", "replace"), deciding) is None:
                continue
            standing = known(standing_of, record.value, topic, partition, record.offset)
            if key not in found or standing.revision >= found[key].revision:
                found[key] = standing
    return found


async def has_members(settings: Settings) -> bool:
    """Whether worker aggregate runs, as its group sees it; refuses where the broker does not tell."""
    group = group_name(settings.topic_prefix, "aggregate")
    async with admin(settings.connection()) as client:

        async def members() -> bool:
            (answer,) = await client.describe_consumer_groups([group])
            (standing,) = answer.to_object()["groups"]
            return bool(standing["members"])

        return await coordinated(f"members of group {group}", members)
