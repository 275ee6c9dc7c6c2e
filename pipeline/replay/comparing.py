"""A replay's sink against the live one, figure by figure."""

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from agents.core.count.state import Entry, name_of
from agents.core.replay.refold import Refold
from pipeline.kafka.reader import LogReader
from pipeline.proof.verify import Difference, DifferenceKind
from pipeline.replay.folding import rows_of
from pipeline.replay.live import Judge, Standing, Verdict, live_figures, standing_of
from schemas.deciding import Deciding

__all__ = ["Compared", "compare_partition", "note_surplus"]

_KEPT: Final = 1000
"""Differences that are kept to be shown."""


@dataclass(slots=True)
class Compared:
    """How many figures stand how to the live sink; of the differences the first."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    kinds: Counter[DifferenceKind] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every figure is as it is in the live sink, or went on there."""
        return not (self.verdicts[Verdict.DIFFERENT] or self.verdicts[Verdict.BEHIND])

    def add(self, identity: bytes, verdict: Verdict, wanted: Standing | None, live: Standing | None) -> None:
        """Take in a verdict."""
        self.verdicts[verdict] += 1
        if verdict is not Verdict.DIFFERENT:
            return
        kind = DifferenceKind.WRONG
        if live is None or wanted is None:
            kind = DifferenceKind.MISSING if live is None else DifferenceKind.SURPLUS
        self.kinds[kind] += 1
        if len(self.differences) < _KEPT:
            name = "value"
            if live is not None and wanted is not None:
                names = ("value", "status", "revision", "members", "kind")
                name = next(each for each in names if _of(wanted, each) != _of(live, each))
            self.differences.append(Difference(identity.decode(), kind, name, _of(wanted, name), _of(live, name)))

    def merge(self, other: "Compared") -> None:
        """Add another partition's."""
        self.verdicts.update(other.verdicts)
        self.kinds.update(other.kinds)
        self.differences += other.differences[: _KEPT - len(self.differences)]


def _of(standing: Standing | None, name: str) -> object:
    return None if standing is None else getattr(standing, name)


async def compare_partition(
    reader: LogReader, sinks: tuple[str, str], partition: int, refold: Refold, emitted: Entry, deciding: Deciding
) -> Compared:
    """Compare the figures of a partition; ``sinks`` are the live one and the replay's.

    ``emitted`` is the entry of worker aggregate, read before this is called.
    """
    live_topic, replayed = sinks
    found, judge = Compared(), Judge(refold, emitted)
    live = await live_figures(reader, live_topic, partition, refold.period, deciding)
    async with aclosing(rows_of(reader, replayed, partition)) as rows:
        async for key, value in rows:
            span = refold.period.span(key.decode(), deciding)
            assert span is not None
            wanted, standing = standing_of(value), live.pop(key, None)
            found.add(key, judge.of(span, wanted, standing), wanted, standing)
    note_surplus(found, judge, live, deciding)
    return found


def note_surplus(found: Compared, judge: Judge, live: dict[bytes, Standing], deciding: Deciding) -> None:
    """Judge what the live sink alone holds, but for what was left out for want of knowledge."""
    refold = judge.refold
    for key, standing in live.items():
        named, span = name_of(key.decode()), refold.period.span(key.decode(), deciding)
        if span is not None and not refold.is_incomplete(named.company, named.metric, span):
            found.add(key, judge.of(span, None, standing), None, standing)
