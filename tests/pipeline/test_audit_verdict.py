"""Periods over partitions: up to when they are closed, the line of a proven one, and what a kept line finds."""

import hashlib
import random

import pytest

from pipeline.proof.audit.corrections import PartitionCorrections
from pipeline.proof.audit.verdict import Audit, Partition, against_raw, conclude, head_of
from pipeline.proof.oracle.homes import home_of
from schemas.limits import HOUR_MS
from schemas.times import instant
from tests.control_kit import expected as expected_of
from tests.core.random_log import DECIDING, random_log
from tests.core.world import World
from tests.pipeline.audit_kit import TEN, Row, correction, flat, honest, kinds, partition_of, quiet, read

COMPANY = {home_of(name.encode(), 2): name for name in ("acme", "globex", "initech", "umbra")}


def books_of(partition: int, hours: int = 2, start: int = TEN) -> list[Row]:
    counts = [{COMPANY[partition]: (5 + number, 1, number)} for number in range(hours)]
    return flat(honest(partition, counts, start=start))


def two(first: int = 2, second: int = 2, second_start: int = TEN) -> list[Partition]:
    return [
        partition_of(read(books_of(0, first), 0, 2)),
        partition_of(read(books_of(1, second, second_start), 1, 2)),
    ]


def audit(partitions: list[Partition], start: int | None = None, end: int | None = None) -> Audit:
    return conclude("footfall", partitions, start, end, None)


def test_the_line_says_all_and_is_the_same_however_much_came_later() -> None:
    found = audit(two())
    hours = [(each.hours[-1].start, each.hours[-1].hash) for each in two()]
    head = hashlib.sha256(
        "".join(f"{number}|{instant(hour)}|{told}\n" for number, (hour, told) in enumerate(hours)).encode()
    ).hexdigest()
    assert found.proven
    assert found.line == (
        "proven 2026-11-01T10:00:00Z/2026-11-01T12:00:00Z footfall: 2 partitions, 4 hours, 8 entries; "
        f"received 28 = counted 22 + duplicate 4 + rejected 2; corrections 0, sum +0; head {head}"
    )
    later = audit(two(5, 4), TEN, TEN + 2 * HOUR_MS)
    assert later.line == found.line


def test_a_period_is_part_of_the_books() -> None:
    found = audit(two(5, 5), TEN + HOUR_MS, TEN + 3 * HOUR_MS)
    assert (found.proven, found.hours, found.counted) == (True, 4, 26)
    assert found.head == head_of({n: (each.hours[2].start, each.hours[2].hash) for n, each in enumerate(two(5, 5))})


def test_the_default_period_ends_where_all_partitions_are_closed() -> None:
    assert audit(two(4, 2)).period == "2026-11-01T10:00:00Z/2026-11-01T12:00:00Z"
    assert audit(two(2, 1, TEN + HOUR_MS)).period == "2026-11-01T10:00:00Z/2026-11-01T12:00:00Z"


def test_a_partition_in_which_nothing_ever_lay_holds_no_period_up() -> None:
    empty = Partition(1, [], [], [], quiet([]))
    found = audit([two()[0], empty])
    assert (found.proven, found.hours, found.partitions) == (True, 2, 2)


def test_a_silent_partition_is_closed_up_to_the_record_that_closed_its_last_hour() -> None:
    books = read(books_of(1, 1), 1, 2)
    silent = partition_of(books, quiet(books.hours)._replace(open_at=TEN + 2 * HOUR_MS + 1))
    assert audit([two()[0], silent]).proven


def test_a_period_that_is_not_closed_is_not_finished_and_says_since_when_it_is_open() -> None:
    found = audit(two(4, 2), None, TEN + 4 * HOUR_MS)
    assert not found.proven
    assert not found.findings
    assert [(each.partition, each.closed) for each in found.unfinished] == [(1, TEN + 2 * HOUR_MS)]
    assert "open since 2026-11-01T12:00:05Z" in found.unfinished[0].what


def test_books_in_which_no_hour_is_closed_say_what_is_open() -> None:
    started = quiet([])._replace(end=5, open_at=TEN + 7)
    found = audit([Partition(number, [], [], [], started) for number in range(2)])
    assert not found.proven
    assert [each.closed for each in found.unfinished] == [TEN, TEN]
    found = audit([two()[0], Partition(1, [], [], [], started)])
    assert not found.proven
    assert [each.partition for each in found.unfinished] == [1]


def test_nothing_at_all_is_not_proven() -> None:
    found = audit([Partition(number, [], [], [], quiet([])) for number in range(2)])
    assert (found.proven, found.unfinished, found.findings) == (False, [], [])


def test_books_whose_records_are_all_gone_are_closed_no_further() -> None:
    books = read(books_of(1), 1, 2)
    gone = quiet(books.hours)._replace(start=60, end=60, open_at=-1)
    found = audit([two(4)[0], partition_of(books, gone)], None, TEN + 3 * HOUR_MS)
    assert [(each.partition, each.closed) for each in found.unfinished] == [(1, TEN + 2 * HOUR_MS)]
    cut = quiet(books.hours)._replace(start=60, end=70, open_at=TEN + 9 * HOUR_MS)
    found = audit([two(4)[0], partition_of(books, cut)], None, TEN + 3 * HOUR_MS)
    assert [(each.partition, each.closed) for each in found.unfinished] == [(1, TEN + 2 * HOUR_MS)]


def test_figures_that_are_behind_the_books_hold_the_period_up() -> None:
    books = read(books_of(1), 1, 2)
    found = audit([two()[0], partition_of(books, quiet(books.hours, aggregated=15))])
    assert (found.proven, found.period) == (True, "2026-11-01T10:00:00Z/2026-11-01T11:00:00Z")
    found = audit([two()[0], partition_of(books, quiet(books.hours, aggregated=15))], None, TEN + 2 * HOUR_MS)
    assert "worker aggregate is behind" in found.unfinished[0].what


def test_a_truncated_tail_is_found_by_the_head_that_was_kept() -> None:
    kept = audit(two(3, 3))
    cut = conclude("footfall", two(3, 2), None, None, kept.head)
    assert kinds(cut.findings) == [("head", None, None)]
    assert conclude("footfall", two(3, 3), None, None, kept.head).proven


def test_a_forged_last_hour_is_found_by_the_head_that_was_kept() -> None:
    kept = audit(two())
    rows = [*books_of(1, 1), *flat(honest(1, [{COMPANY[1]: (5, 1, 0)}, {COMPANY[1]: (9, 0, 0)}])[1:])]
    forged = [two()[0], partition_of(read(rows, 1, 2))]
    assert audit(forged).proven
    assert kinds(conclude("footfall", forged, None, None, kept.head).findings) == [("head", None, None)]


def test_a_truncated_tail_is_found_while_raw_lasts_once_its_worker_has_folded_on() -> None:
    books = read(books_of(1, 1), 1, 2)
    cut = quiet(books.hours)._replace(end=40, closing_at=20, anonymized=39)
    assert kinds(audit([two()[0], partition_of(books, cut)]).findings) == [("missing", None, None)]
    behind = partition_of(books, cut._replace(anonymized=19))
    found = audit([two()[0], behind], None, TEN + 2 * HOUR_MS)
    assert not found.findings
    assert "worker anonymize is behind" in found.unfinished[0].what
    never = Partition(1, [], [], [], quiet([])._replace(end=40, open_at=TEN, closing_at=20, anonymized=39))
    assert ("missing", None, None) in kinds(audit([two()[0], never]).findings)


def test_findings_of_other_hours_do_not_concern_the_period() -> None:
    rows = honest(0, [{COMPANY[0]: (5, 1, 0)}] * 4)
    partition = partition_of(read(flat([rows[0][:1], *rows[1:]]), 0, 2))
    assert not audit([partition, two(4, 4)[1]]).proven
    assert audit([partition, two(4, 4)[1]], TEN + HOUR_MS).proven


def test_books_that_begin_later_say_so() -> None:
    rows = flat(honest(1, [{COMPANY[1]: (5, 1, 0)}] * 2, first=120))
    found = audit([two()[0], partition_of(read(rows, 1, 2))])
    assert "; books begin in partition 1 at raw offset 120; head" in found.line


def test_corrections_of_the_period_are_added_up() -> None:
    identity = f"{COMPANY[0]}|chats_created|PT1H|2026-11-01T07:00:00Z|"
    book = PartitionCorrections(0, 2)
    for offset, cause in enumerate((3, 12, 25)):
        book.add(offset, *correction(identity, offset, offset + 1, cause))
    first, second = two(3, 3)
    first = Partition(0, first.hours, list(book.by_id[identity].values()), [], first.tail)
    assert "corrections 2, sum +2;" in audit([first, second], None, TEN + 2 * HOUR_MS).line
    assert "corrections 3, sum +3;" in audit([first, second]).line


def test_raw_judged_again_finds_what_is_changed_missing_and_surplus() -> None:
    expected = {key: value for key, value in [*books_of(0), *books_of(1)] if key and value}
    found = audit(two())
    assert not against_raw(found, two(), expected)
    hour = f"|{instant(TEN)}|"
    changed = expected | {f"0{hour}{COMPANY[0]}".encode(): b"{}", f"1{hour}zeta".encode(): b"{}"}
    del changed[f"1{hour}".encode()]
    assert kinds(against_raw(found, two(), changed)) == [
        ("raw", "10", COMPANY[0]),
        ("raw", "10", None),
        ("missing", "10", "zeta"),
    ]
    later = {f"0|{instant(TEN + 9 * HOUR_MS)}|zeta".encode(): b"{}"}
    assert not against_raw(found, two(), expected | later)


@pytest.mark.parametrize("seed", range(4))
def test_what_the_fold_writes_is_proven_and_every_change_of_it_is_found(seed: int) -> None:
    stored, choose = random_log(seed), random.Random(seed)
    expected = expected_of(stored, DECIDING, 2).ledger
    world = World(DECIDING, 2, lambda left: choose.randint(1, min(left, 40)))
    world.append(stored)
    for partition in range(2):
        world.anonymize(partition)
    rows = [(key, value) for key, values in world.ledger.items() for value in values]

    def audited(told: list[tuple[bytes, bytes]], kept: str | None = None, *, raw: bool = False) -> Audit:
        books = [read([row for row in told if row[0].startswith(b"%d|" % number)], number, 2) for number in range(2)]
        partitions = [partition_of(each) for each in books]
        end = min(each.hours[-1].start for each in partitions) + HOUR_MS
        found = conclude("footfall", partitions, None, end, kept)
        if raw:
            found.findings += against_raw(found, partitions, expected)
        return found

    honest_one = audited(rows, raw=True)
    assert honest_one.proven, honest_one.findings
    assert honest_one.received == honest_one.counted + honest_one.duplicate + honest_one.rejected.total() > 100
    until = honest_one.end
    known = [at for at, (key, _) in enumerate(rows) if key.split(b"|")[1].decode() < instant(until)]
    for at in choose.sample(known, k=10):
        key, value = rows[at]
        told = value.replace(b'"counted":', b'"counted":1')
        assert not audited([*rows[:at], (key, told), *rows[at + 1 :]]).proven
        assert not audited([*rows[:at], *rows[at + 1 :]], honest_one.head).proven
        assert not audited([*rows, (key, told)]).proven
