"""Final plus corrections is the present figure; a correction that is changed or gone is found."""

import json

import pytest

from pipeline.proof.audit.books import ClosedHour
from pipeline.proof.audit.corrections import PartitionCorrections, SinkFigures
from tests.pipeline.audit_kit import Row, correction, flat, honest, kinds, read, sink_record

CHATS = "acme|chats_created|PT1H|2026-11-01T07:00:00Z|"
NEW = "acme|chats_created|PT1H|2026-11-01T06:00:00Z|"
HOURS = read(flat(honest())).hours
SINK = [
    sink_record(CHATS, 3, "provisional", 4),
    sink_record(CHATS, 4, "final", 7),
    sink_record(CHATS, 6, "corrected", 31),
    sink_record(CHATS, 4, "final", 7),
    sink_record(NEW, 1, "corrected", 25),
]
CORRECTIONS = [correction(CHATS, 4, 5, 11), correction(NEW, 0, 1, 12), correction(CHATS, 5, 6, 15)]


def found(
    rows: list[Row], sink: list[bytes] = SINK, hours: list[ClosedHour] = HOURS
) -> list[tuple[str, str | None, str | None]]:
    figures, book = SinkFigures(), PartitionCorrections(0, 1)
    for value in sink:
        figures.add(value)
    for offset, (key, value) in enumerate(rows):
        book.add(offset, key, value)
    return kinds(book.check(figures, hours))


def with_told(row: Row, **more: object) -> Row:
    return row[0], json.dumps(json.loads(row[1] or b"") | more).encode()


def test_final_plus_corrections_is_what_the_sink_says() -> None:
    assert not found([*CORRECTIONS, CORRECTIONS[0], CORRECTIONS[2]])
    assert not found(CORRECTIONS, [each for each in SINK if b'"final"' not in each])


def test_a_correction_that_the_sink_does_not_show_yet_is_behind_only_once_its_hour_is_closed() -> None:
    assert not found([*CORRECTIONS, correction(CHATS, 6, 7, 30)])
    assert found([*CORRECTIONS, correction(CHATS, 6, 7, 29)]) == [("behind", "12", "acme")]
    assert found([*CORRECTIONS, correction("acme|dau|P1D|2026-10-01T00:00:00Z|", 0, 1, 3)]) == [
        ("behind", "10", "acme")
    ]
    assert not found(CORRECTIONS[:1], SINK[:2], [])


@pytest.mark.parametrize(
    ("rows", "sink", "expected"),
    [
        ([CORRECTIONS[0], CORRECTIONS[1]], SINK, "missing"),
        (CORRECTIONS[1:], SINK, "correction"),
        (CORRECTIONS[1:2], SINK, "missing"),
        ([correction(CHATS, 3, 5, 11), *CORRECTIONS[1:]], SINK, "correction"),
        ([correction(CHATS, 4, 7, 11), *CORRECTIONS[1:]], SINK, "correction"),
        ([*CORRECTIONS[:2], correction(CHATS, 5, 9, 15)], SINK, "correction"),
        ([*CORRECTIONS, correction(CHATS, 5, 8, 15)], SINK, "unequal"),
        ([with_told(CORRECTIONS[0], difference=2), *CORRECTIONS[1:]], SINK, "correction"),
        (
            [
                with_told(CORRECTIONS[0], cause={**json.loads(CORRECTIONS[0][1] or b"")["cause"], "offset": 12}),
                *CORRECTIONS[1:],
            ],
            SINK,
            "correction",
        ),
        ([(b"other", CORRECTIONS[0][1]), *CORRECTIONS[1:]], SINK, "strange"),
        ([*CORRECTIONS, (CHATS.encode(), b"{}")], SINK, "strange"),
        ([*CORRECTIONS, with_told(CORRECTIONS[0], more=1)], SINK, "strange"),
        (CORRECTIONS, [*SINK, SINK[0].replace(b'"revision"', b'"more": 1, "revision"')], "strange"),
        ([with_told(CORRECTIONS[0], metric="dau"), *CORRECTIONS[1:]], SINK, "strange"),
        (
            [*CORRECTIONS, correction(CHATS, 6, 7, 16, partition=3)],
            [*SINK, sink_record(CHATS, 7, "corrected", 33)],
            "strange",
        ),
        (CORRECTIONS, [*SINK, sink_record(CHATS, 6, "final", 31)], "correction"),
    ],
)
def test_a_planted_fault_is_found_and_named(rows: list[Row], sink: list[bytes], expected: str) -> None:
    assert {(kind, company) for kind, _, company in found(rows, sink)} <= {(expected, "acme"), (expected, None)}
    assert found(rows, sink)


def test_a_removed_correction_names_the_revisions_on_both_sides() -> None:
    sink = [*SINK, sink_record(CHATS, 7, "corrected", 37)]
    figures, book = SinkFigures(), PartitionCorrections(0, 1)
    for value in sink:
        figures.add(value)
    for offset, (key, value) in enumerate([*CORRECTIONS[:2], correction(CHATS, 6, 7, 18)]):
        book.add(offset, key, value)
    (only,) = book.check(figures, HOURS)
    assert only.what == f"{CHATS}: revision 23 left 5, revision 37 found 6"
