"""The expected aggregates, computed from the raw topic by naive code that shares nothing with the agents.

It is the second reading of the contract (design 1.2 to 1.6): the whole log in memory, plain sets and dicts,
nothing of the agents but the schemas. ``footfall oracle`` prints it and ``footfall verify`` compares with it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.kafka.stored import StoredRecord
from pipeline.proof.oracle.control import Controls, OracleKeys
from pipeline.proof.oracle.counting import Books
from pipeline.proof.oracle.files import read_file
from pipeline.proof.oracle.judging import Judge, SourceMark
from pipeline.proof.oracle.ledger import Outcomes, hours_of
from schemas.deciding import Deciding
from schemas.reasons import Outcome, Reason
from schemas.wire.corrections import Correction
from schemas.wire.rejections import Rejection

__all__ = ["OracleKeys", "OracleResult", "expect", "read_file"]

_PROGRESS_EVERY = 2_000


@dataclass
class OracleResult:
    """What a correct pipeline has written once it has folded the whole log.

    ``figures`` holds the aggregate records by id, as JSON; ``rejections`` the rejected records by partition and
    offset; ``by_reason`` counts rejected events, duplicates too; ``moved`` counts misplaced records. ``corrections``
    holds the changes of closed figures by (id, revision); ``ledger`` the entries of closed hours by key, as bytes,
    ``open_hours`` those that the last hour of each partition would have.
    """

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    counted: int = 0
    by_reason: dict[Reason, int] = field(default_factory=dict)
    moved: int = 0
    corrections: dict[tuple[str, int], Correction] = field(default_factory=dict)
    ledger: dict[bytes, bytes] = field(default_factory=dict)
    open_hours: dict[bytes, bytes] = field(default_factory=dict)


def expect(
    records: Iterable[StoredRecord],
    deciding: Deciding,
    partitions: int,
    *,
    topic: str,
    record_duplicates: bool = False,
    source_mark: SourceMark | None = None,
    digests: Mapping[str, Deciding] | None = None,
    keys: OracleKeys = OracleKeys(),  # noqa: B008 - it is frozen
    progress: Callable[[int, int], None] | None = None,
) -> OracleResult:
    """Judge and count ``records`` of the raw topic, in any order, each partition by its offsets.

    ``topic`` is the raw topic's name in rejections. ``deciding`` holds until a control record names a digest
    of ``digests``; ``keys`` tell genuine ticks and control records. ``progress`` is called with (records done, records
    in all).
    """
    logs: dict[int, list[StoredRecord]] = defaultdict(list)
    for record in records:
        logs[record.partition].append(record)
    step = _steps(sum(map(len, logs.values())), progress)
    result = OracleResult()
    by_reason: Counter[Reason] = Counter()
    for number, log in sorted(logs.items()):
        controls = Controls(keys, topic, number)
        judge = Judge(deciding, partitions, topic, record_duplicates, source_mark, controls)
        books = Books(deciding)
        outcomes = _enter(log, judge, books, digests or {}, step)
        result.figures.update(books.figures(judge.closing_watermark, judge.closed))
        result.corrections |= books.corrections(number)
        result.rejections += judge.rejections
        result.counted += judge.counted
        result.moved += judge.moved
        closed_hours, open_hour = hours_of(number, outcomes)
        result.ledger |= closed_hours
        result.open_hours |= open_hour
        by_reason.update(judge.by_reason)
    result.by_reason = dict(by_reason)
    return result


def _enter(
    log: Iterable[StoredRecord], judge: Judge, books: Books, digests: Mapping[str, Deciding], step: Callable[[], None]
) -> list[tuple[int, int, int, Outcome, Outcomes]]:
    """Judge and count the records of one partition, ``step`` after each; what became of each, for the ledger."""
    outcomes: list[tuple[int, int, int, Outcome, Outcomes]] = []
    for record in sorted(log, key=lambda one: one.offset):
        closed, watermark = judge.closed, judge.closing_watermark
        for event in judge.read(record, digests):
            books.enter(event, watermark, judge.deciding)
        books.end_record(record.offset, closed, watermark)
        last = record.offset if record.unreadable_to is None else record.unreadable_to
        outcomes.append((record.offset, last, record.append_time, judge.kind, judge.outcomes))
        step()
    return outcomes


def _steps(total: int, progress: Callable[[int, int], None] | None) -> Callable[[], None]:
    """What is to be called once a record; ``progress`` hears of it now and then, and at the end."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None and (done % _PROGRESS_EVERY == 0 or done == total):
            progress(done, total)

    return step
