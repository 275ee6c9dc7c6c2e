"""What is known of a figure once everything has been read, as an object for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from agents.core.shared.windows import parse_instant
from pipeline.proof.explain.left_out import LeftOut
from pipeline.proof.explain.making import FromClean, Making
from pipeline.proof.explain.wanted import Wanted
from schemas.catalogue.metrics import Distinct, Kind
from schemas.times import instant
from schemas.wire.corrections import Correction

__all__ = ["Corrected", "Explanation", "Verdict"]


_UNITS: Final = {"1": "units", "s": "seconds", "By": "bytes"}


class Verdict(StrEnum):
    """Whether the figure, counted again, is what the sink says."""

    EQUAL = "equal"
    DIFFERENT = "different"
    PARTLY = "partly"
    """Clean does not reach back to all of it."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction and when it was appended, in ms."""

    time: int
    correction: Correction

    def late(self, wanted: Wanted) -> int | None:
        """By how many ms the log was past the window's end when the event came; None where it does not say."""
        try:
            return parse_instant(self.correction.cause.watermark) - wanted.end
        except ValueError:
            return None


@dataclass(slots=True)
class Explanation:
    """One figure: the sink's record, what made it, what was left out, how it was corrected."""

    wanted: Wanted
    partition: int
    figure: Mapping[str, Any]
    making: Making
    clean: FromClean
    whole: bool
    """Whether clean reaches back to everything that can be in the figure."""
    left_out: LeftOut
    corrections: list[Corrected] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """See :class:`Verdict`."""
        value, in_sink = self.making.value, self.figure["value"]
        members = {name: self.figure.get(name) for name in self.making.members}
        is_equal = value == in_sink and self.making.members == members
        is_past = value > in_sink and self.wanted.metric.kind is not Kind.GAUGE  # all others only grow
        if is_past or (self.whole and not is_equal) or self.left_out.value not in {None, in_sink}:
            return Verdict.DIFFERENT
        return Verdict.EQUAL if is_equal else Verdict.PARTLY

    @property
    def balanced(self) -> bool:
        """Whether the final value and all corrections come to the present value."""
        chain = [each.correction for each in self.corrections]
        links = all(before.new == after.old for before, after in pairwise(chain))
        ends = not chain or (chain[-1].revision != self.figure["revision"] or chain[-1].new == self.figure["value"])
        return links and ends

    @property
    def sound(self) -> bool:
        """Whether nothing of it contradicts the sink."""
        return self.verdict is not Verdict.DIFFERENT and self.balanced

    @property
    def counts(self) -> str:
        """What a figure of 1 is."""
        metric = self.wanted.metric
        if metric.kind is Kind.DISTINCT:
            return "users" if metric.distinct is Distinct.USER else "sources"
        names = {Kind.COUNT: "events", Kind.DISTRIBUTION: "readings"}
        return names.get(metric.kind, _UNITS[metric.unit])

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs; runs of raw offsets are [first, last, events]."""
        making, left_out = self.making, self.left_out
        return {
            "figure": dict(self.figure),
            "raw": {"partition": self.partition, "ranges": [list(run) for run in making.runs]},
            "counted": {
                "events": making.events,
                "of": self.counts,
                "value": making.value,
                "verdict": self.verdict.value,
                "not_in_the_sink": making.pending,
                "clean_from_offset": self.clean.first,
                "clean_from_time": instant(self.clean.time, fraction=True) if self.clean.time >= 0 else None,
                "lost_offsets": self.clean.lost,
            },
            "left_out": {
                "source": left_out.source.value,
                "by_reason": {reason.value: count for reason, count in sorted(left_out.by_reason.items())},
                "hours": left_out.hours,
                "why_not_raw": left_out.why or None,
                "value_from_raw": left_out.value,
            },
            "corrections": [self._correction(each) for each in self.corrections],
            "balanced": self.balanced,
        }

    def _correction(self, each: Corrected) -> dict[str, Any]:
        correction, cause, late = each.correction, each.correction.cause, each.late(self.wanted)
        return {
            "time": instant(each.time, fraction=True),
            "old": correction.old,
            "new": correction.new,
            "difference": correction.difference,
            "revision": correction.revision,
            "cause": {"kind": cause.kind.value, "partition": cause.partition, "offset": cause.offset},
            "late_seconds": None if late is None else late // 1000,
        }
