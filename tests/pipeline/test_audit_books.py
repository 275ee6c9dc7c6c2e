"""Every planted fault in the books is found and named; honest books and honest repeats are not."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.limits import HOUR_MS
from schemas.times import instant
from schemas.wire.ledger import PreviousHour, hash_hour
from tests.pipeline.audit_kit import NINES, TEN, Row, changed, entries, flat, honest, kinds, read

Spoilt = list[Row]
PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def forged(at: int, more: int) -> Spoilt:
    """The hour ``at`` forged as a whole, balanced and hashed anew, the hours behind it left as they were."""
    hours = honest()
    counts = {company: (counted + more, *rest) for company, (counted, *rest) in NINES[at].items()}
    previous = json.loads(hours[at][0][1])["previous"]
    told = None if previous is None else PreviousHour(**previous)
    hours[at] = entries(0, TEN + at * HOUR_MS, counts, (10 * at, 10 * at + 9), told)  # type: ignore[arg-type]
    return flat(hours)


def chained_anew(first: int, without: int | None = None) -> Spoilt:
    """Books in which each hour follows on the one before, the last one beginning with raw offset ``first``."""
    hours = honest()
    last = entries(0, TEN + 2 * HOUR_MS, NINES[2], (first, first + 9), told_by(hours[1], TEN + HOUR_MS))
    return flat([*hours[:2], last]) if without is None else flat([hours[0], last])


def told_by(rows: list[tuple[bytes, bytes]], hour: int) -> PreviousHour:
    return PreviousHour(instant(hour), hash_hour(rows))


def in_row(hour: int, row: int, change: Callable[[dict[str, object]], object]) -> Spoilt:
    hours = honest()
    hours[hour][row] = changed(hours[hour][row], change)
    return flat(hours)


def unequal_repeat() -> Spoilt:
    hours = honest()
    return [*flat(hours), changed(hours[0][1], lambda told: told.update(counted=4, duplicate=2))]


def skipped() -> Spoilt:
    return flat([entries(0, TEN, NINES[0], (0, 9), None, skipped=4)])


def test_honest_books_are_whole() -> None:
    books = read(flat(honest()))
    assert not books.findings
    assert [(each.first, each.last, each.entries) for each in books.hours] == [(0, 9, 3), (10, 19, 2), (20, 29, 2)]
    first = books.hours[0]
    assert (first.received, first.counted, first.duplicate, sum(first.rejected.values())) == (9, 7, 1, 1)
    assert first.hash == hash_hour(honest()[0])


def test_an_hour_cut_short_by_a_crash_and_written_again_is_no_finding() -> None:
    hours = honest()
    rows = flat([hours[0][:2], hours[0], hours[1], hours[0], hours[2][:1], hours[2], hours[1][1:]])
    assert not read(rows).findings


def test_books_begin_where_they_begin() -> None:
    books = read(flat(honest(first=120)))
    assert not books.findings
    assert books.hours[0].first == 120


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # An entry is dropped: the hour is short of it, does not add up, and is not what the next one says.
        (flat(honest())[:1] + flat(honest())[2:], [("missing", "10"), ("unbalanced", "10"), ("chain", "10")]),
        (flat(honest())[1:], [("missing", "10"), ("chain", "10")]),
        (flat([honest()[0], honest()[2]]), [("missing", "11"), ("range", "12")]),
        (flat(honest()[1:]), [("missing", None)]),
        (unequal_repeat(), [("unequal", "10")]),
        (in_row(1, 1, lambda told: told.update(counted=4)), [("unbalanced", "11"), ("chain", "11")]),
        (
            in_row(1, 1, lambda told: told.update(counted=4, received=4)),
            [("unbalanced", "11"), ("chain", "11")],
        ),
        (in_row(1, 1, lambda told: told.update(outcomes="0" * 64)), [("chain", "11")]),
        (in_row(1, 1, lambda told: told.update(last=25)), [("range", "11"), ("chain", "11")]),
        (in_row(1, 1, lambda told: told.update(first=None)), [("range", "11"), ("chain", "11")]),
        (in_row(1, 1, lambda told: told.update(previous=None)), [("chain", "11"), ("chain", "11")]),
        (forged(0, 3), [("chain", "10")]),
        (forged(1, 3), [("chain", "11")]),
        (chained_anew(25), [("range", "12")]),
        (chained_anew(15), [("range", "12")]),
        (chained_anew(20, without=1), [("missing", "11"), ("range", "12")]),
        (skipped(), [("skipped", "10")]),
        (flat([*honest(), honest(start=TEN + 5 * HOUR_MS, first=30)[0]]), [("chain", "12")]),
        (flat([*honest(), entries(0, TEN - HOUR_MS, {}, (0, 0), None)]), [("out of order", "09")]),
        ([*flat(honest()), (b"0|2026-11-01T13:00:00Z|", b"{}")], [("strange", None)]),
        ([*flat(honest()), (b"0|2026-11-01T13:00:00Z|", None)], [("strange", None)]),
        ([*flat(honest()), (None, honest()[0][0][1])], [("strange", None)]),
        (flat(honest(partition=1)), [("strange", None)] * 7),
    ],
)
def test_a_planted_fault_is_found_and_named(rows: Spoilt, expected: list[tuple[str, str | None]]) -> None:
    assert [(kind, hour) for kind, hour, _ in kinds(read(rows).findings)] == expected


def test_what_no_writer_writes_is_strange() -> None:
    """A company that tells of the log, more records than offsets, an hour before that is no time."""
    log = json.loads(honest()[2][0][1])["log"]
    assert ("strange", "12", "globex") in kinds(read(in_row(2, 1, lambda told: told.update(log=log))).findings)
    crowded = in_row(2, 0, lambda told: told["log"].update(ticks=9, moved=2))  # type: ignore[attr-defined]
    assert kinds(read(crowded).findings) == [("range", "12", None)]
    timeless = in_row(2, 0, lambda told: told["previous"].update(hour="2026-99-01T10:00:00Z"))  # type: ignore[attr-defined]
    assert ("strange", None, None) in kinds(read(timeless).findings)


def test_a_surplus_hour_that_the_next_one_does_not_know_is_found() -> None:
    hours = honest()
    inserted = entries(0, TEN + HOUR_MS, NINES[1], (10, 9), told_by(hours[0], TEN))
    last = entries(0, TEN + 2 * HOUR_MS, NINES[2], (10, 19), told_by(hours[0], TEN))
    assert ("surplus", "11", None) in kinds(read(flat([hours[0], inserted, last])).findings)


def test_a_company_that_is_at_home_elsewhere_is_found() -> None:
    found = kinds(read(flat(honest()), partitions=64).findings)
    assert {(kind, company) for kind, _, company in found} == {("strange", "acme"), ("strange", "globex")}


def test_a_finding_names_the_company() -> None:
    found = read(in_row(0, 2, lambda told: told.update(duplicate=9))).findings
    assert ("unbalanced", "10", "globex") in kinds(found)


def test_the_hash_of_an_hour_is_what_the_page_for_auditors_computes_by_hand() -> None:
    counts = {"acme": (1, 0, 0), "acme-labs": (2, 0, 0), "acme.x": (3, 0, 0), "Zeta": (4, 0, 0), "a_b": (5, 0, 0)}
    (rows,) = honest(hours=[counts])
    printed = b"".join(key + b" " + value + b"\n" for key, value in [*reversed(rows), *rows])
    pipe = "grep '^0|2026-11-01T10:00:00Z|' | LC_ALL=C sort -u | cut -d' ' -f2- | sha256sum"
    assert pipe.replace("0|", "3|", 1) in re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
    done = subprocess.run(pipe, shell=True, input=printed, capture_output=True, check=True)
    assert done.stdout.decode().split()[0] == read(flat([rows])).hours[0].hash
