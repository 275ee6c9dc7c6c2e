"""The operational metrics that Prometheus scrapes: name, kind, unit, meaning, labels, the alert each serves.

Labels come from closed lists: never a company, a person or anything of an event.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.bounds import Bound
from schemas.reasons import Outcome, Reason

__all__ = ["OPERATIONAL", "Instrument", "Operational", "RecoveryWay"]


class Instrument(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class RecoveryWay(StrEnum):
    """Where a partition's state came from when it was assigned."""

    CHANGELOG = "changelog"
    """Read from its beginning."""
    STANDBY = "standby"
    """Followed until then, and read from there to its end."""
    KEPT = "kept"
    """Held by this worker before, and nobody has written since."""


@dataclass(frozen=True, slots=True)
class Operational:
    """One metric; ``labels`` are (name, its values), ``partition`` having as many as the topics."""

    name: str
    instrument: Instrument
    unit: str
    help: str
    alert: str = ""
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    buckets: tuple[float, ...] = ()


_PARTITION: Final = ("partition", ("0 to partitions - 1",))
_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_SIZES: Final = (1.0, 10.0, 100.0, 1000.0, 5000.0, 10_000.0, 20_000.0)

_LIST: Final = (
    Operational(
        "footfall_events",
        Instrument.COUNTER,
        "events",
        "Events and records folded by anonymize, by what became of them.",
        "no increase while raw grows",
        (("outcome", tuple(outcome.value for outcome in Outcome)),),
    ),
    Operational(
        "footfall_rejected",
        Instrument.COUNTER,
        "events",
        "Events not counted, by reason.",
        "a share of counted events far above the usual; any forged-control: somebody imitates ticks or control records",
        (("reason", tuple(reason.value for reason in Reason)),),
    ),
    Operational("footfall_ledger_entries", Instrument.COUNTER, "entries", "Entries of closed hours of the books."),
    Operational(
        "footfall_books_unbalanced",
        Instrument.COUNTER,
        "hours",
        "Hours closed in which what was received is not what was counted, dropped as duplicate or rejected.",
        "above 0: hold the bills of that partition and hour, and look at it by footfall audit",
    ),
    Operational(
        "footfall_over_bound",
        Instrument.COUNTER,
        "events",
        "What a bound kept from being remembered: by anonymize events that are not counted, by aggregate users, series"
        " and sources left out of figures.",
        "above 0: see which company it is by footfall rejected, and whether the bound is too low for it",
        (("bound", tuple(bound.value for bound in Bound)),),
    ),
    Operational(
        "footfall_bound_peak",
        Instrument.GAUGE,
        "number",
        "The most that any company of the partition was seen to hold of what a bound limits, since the worker took the"
        " partition up; for new companies how many came today.",
        "near the setting of that bound",
        (_PARTITION, ("bound", tuple(bound.value for bound in Bound))),
    ),
    Operational(
        "footfall_closed_companies",
        Instrument.GAUGE,
        "companies",
        "Companies with more withdrawals of consent than are kept, in which only what needs no consent is counted.",
        "above 0",
        (_PARTITION,),
    ),
    Operational(
        "footfall_unknown_withdrew",
        Instrument.GAUGE,
        "flag",
        "1 once a company withdrew on a day that had no room for new companies: those unknown then count from now on"
        " only what needs no consent.",
        "1",
        (_PARTITION,),
    ),
    Operational("footfall_counted", Instrument.COUNTER, "events", "Counted events folded into figures by aggregate."),
    Operational(
        "footfall_corrections",
        Instrument.COUNTER,
        "records",
        "Corrections of closed figures appended by aggregate, one a figure and raw record.",
        "an increase far above the usual",
    ),
    Operational("footfall_emitted", Instrument.COUNTER, "records", "Records appended to the sink."),
    Operational(
        "footfall_watermark_lag_seconds",
        Instrument.GAUGE,
        "seconds",
        "The present time less the closing watermark of a partition; an idle one lags until its windows are closed.",
        "windows do not close",
        (_PARTITION,),
    ),
    Operational(
        "footfall_consumer_lag",
        Instrument.GAUGE,
        "records",
        "Records between the state's position and the log's end.",
        "grows for minutes",
        (_PARTITION,),
    ),
    Operational(
        "footfall_held_records",
        Instrument.GAUGE,
        "records",
        "Records that nobody may read yet, since a producer's transaction that began before them is open.",
        "above 0 for a minute",
        (_PARTITION,),
    ),
    Operational("footfall_open_windows", Instrument.GAUGE, "windows", "Windows held in state.", "", (_PARTITION,)),
    Operational(
        "footfall_active_users", Instrument.GAUGE, "users", "Users held in state, by pseudonym.", "", (_PARTITION,)
    ),
    Operational(
        "footfall_chunk_records", Instrument.HISTOGRAM, "records", "Records or events a chunk.", "", (), _SIZES
    ),
    Operational(
        "footfall_fold_seconds",
        Instrument.HISTOGRAM,
        "seconds",
        "Time to fold a chunk, writing left out.",
        "",
        (),
        _SECONDS,
    ),
    Operational(
        "footfall_recovery_seconds",
        Instrument.HISTOGRAM,
        "seconds",
        "Time from assignment to a partition restored and mended.",
        "above 20 s",
        (),
        _SECONDS,
    ),
    Operational(
        "footfall_recoveries",
        Instrument.COUNTER,
        "recoveries",
        "Partitions restored and mended, by where their state came from.",
        "changelog although FOOTFALL_STANDBY is above 0 and no worker was added",
        (("way", tuple(way.value for way in RecoveryWay)),),
    ),
    Operational(
        "footfall_standby_lag",
        Instrument.GAUGE,
        "records",
        "Records of a followed changelog partition that its standby has not taken yet.",
        "grows for minutes",
        (_PARTITION,),
    ),
)

OPERATIONAL: Final = {entry.name: entry for entry in _LIST}
"""Every operational metric by name."""
