"""What is kept for good as a number, by its place or by its name: today's tables, which may only grow at their end.

Whoever adds to one adds a line here. A code that stands here is never given up, changed, or used for anything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import msgspec
import pytest

from agents.core.accept import fold as accept_fold
from agents.core.accept.consent import Consent
from agents.core.accept.fast_decode import AT_ONCE
from agents.core.accept.ledger import HOUR_KEY, LedgerBuilder
from agents.core.accept.state import STORED, RawEntry
from agents.core.count.company_bounds import Held, bounds_key
from agents.core.count.figure import Window
from agents.core.count.kinds.distributions import SEGMENT, bins_key
from agents.core.count.kinds.gauges import reading_key
from agents.core.count.kinds.members import member_key
from agents.core.count.pending_windows import pending_key
from agents.core.count.state import Entry
from agents.core.shared.joins import ENTRY_KEY
from agents.core.shared.windows import span_of
from schemas.bounds import Bound
from schemas.catalogue.metrics import METRICS, Kind, WindowSize
from schemas.deciding import Deciding
from schemas.limits import HOUR_MS
from schemas.reasons import DECISION_ORDER, Outcome, Reason
from schemas.wire.aggregates import Status
from schemas.wire.clean import CleanChunk, Shape
from schemas.wire.corrections import CauseKind
from schemas.wire.ledger import BLOCK_OUTCOMES, COUNTED, OUTCOME_CODES, REASONS_BY_CODE, REJECTED_ORDER, pack_outcome

OUTCOMES = {
    "counted": 0,
    "too-large": 1,
    "not-json": 2,
    "not-cloudevents": 3,
    "unknown-type": 4,
    "bad-field": 5,
    "bad-time": 6,
    "key-mismatch": 7,
    "clock-ahead": 8,
    "too-late": 9,
    "duplicate": 10,
    "no-consent": 11,
    "unreadable": 12,
    "forged-control": 13,
    "over-bound": 14,
}
"""In the state's accounts, and hashed into the ledger."""
HELD = {
    "USERS": 0,
    "COUNTS": 1,
    "DISTINCT": 2,
    "SOURCES": 3,
    "SUMS": 4,
    "GAUGES": 5,
    "DISTRIBUTIONS": 6,
    "READINGS": 7,
}
"""Places in what a company holds."""
REJECTED = (
    *("unreadable", "forged-control", "too-large", "not-json", "not-cloudevents", "unknown-type", "bad-field"),
    *("bad-time", "key-mismatch", "clock-ahead", "too-late", "no-consent", "over-bound"),
)
"""Members of an entry of the ledger, in the order in which they are hashed."""
DECIDED = (
    *("unreadable", "forged-control", "too-large", "not-json", "not-cloudevents", "unknown-type", "bad-field"),
    *("bad-time", "key-mismatch", "clock-ahead", "too-late", "duplicate", "no-consent", "over-bound"),
)
"""Design 1.4; this order may change, with the fold version, and takes no code with it."""
ENTRY = (
    *("fence", "event_watermark", "closing_watermark", "clean_next", "emitted_fence", "emitted_event_watermark"),
    *("emitted_closing_watermark", "sink_next", "partitions", "in_force"),
)
RAW_ENTRY = (
    *("fence", "event_watermark", "closing_watermark", "append_time", "unknown_withdrew", "seen", "partitions"),
    "in_force",
)
CHUNK = (
    *("version", "first", "last", "event_watermark", "closing_watermark", "digest", "number", "companies", "shapes"),
    *("users", "sources", "offsets", "times", "closings", "company", "shape", "user", "source", "measures"),
)
"""Of version 3: another order, or a field more, is another version."""
NAMES: Mapping[type[str], set[str]] = {
    Kind: {"count", "sum", "distinct", "gauge", "distribution"},
    Status: {"provisional", "final", "corrected"},
    CauseKind: {"late"},
    WindowSize: {"PT1H", "P1D", "P1M", "P7D", "P30D"},
    Reason: {*DECIDED},
    Outcome: {"counted", "rejected", "moved", "tick", "control"},
    Bound: {"sources", "incarnations", "intervals", "words", "new-companies", "users", "series"},
}
"""Kept or shown by name in records, ids and metrics."""


def faults(pinned: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """What is wrong with codes that were pinned."""
    changed = [f"{name} was {code}, is {found.get(name)}" for name, code in pinned.items() if found.get(name) != code]
    added = [f"{name} is not pinned" for name in found.keys() - pinned.keys()]
    reused = [f"{code} is used twice" for code in set(found.values()) if [*found.values()].count(code) > 1]
    first = min(pinned.values())
    gaps = [f"{code} is used by nothing" for code in range(first, max(found.values())) if code not in found.values()]
    return changed + added + reused + gaps


def outcome_codes() -> dict[str, int]:
    return {"counted": COUNTED} | {reason.value: code for reason, code in OUTCOME_CODES.items()}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"too-late": 10, "duplicate": 9}, ["too-late was 9, is 10", "duplicate was 10, is 9"]),  # put in order
        ({"too-early": 15}, ["too-early is not pinned"]),
        ({"too-early": 14}, ["too-early is not pinned", "14 is used twice"]),
        ({"too-early": 17}, ["too-early is not pinned", "15 is used by nothing", "16 is used by nothing"]),
        ({"over-bound": None}, ["over-bound was 14, is None"]),  # taken out
        ({"too-large": None, "too-big": 1}, ["too-large was 1, is None", "too-big is not pinned"]),  # renamed
    ],
)
def test_a_change_a_reuse_and_a_gap_are_found(change: dict[str, int | None], told: list[str]) -> None:
    changed = {name: code for name, code in (outcome_codes() | change).items() if code is not None}
    assert faults(OUTCOMES, changed) == told


def test_codes_of_outcomes() -> None:
    assert faults(OUTCOMES, outcome_codes()) == []
    assert set(OUTCOME_CODES) == set(Reason)
    assert {code: reason.value for reason, code in OUTCOME_CODES.items()} == REASONS_BY_CODE
    # How a code is hashed: in the highest of 8 bytes, 16 outcomes a block.
    assert pack_outcome(258, OUTCOME_CODES[Reason.OVER_BOUND]) == bytes((14, 0, 0, 0, 0, 0, 1, 2))
    assert BLOCK_OUTCOMES == 16


def test_places_of_what_a_company_holds() -> None:
    assert faults(HELD, {held.name: held.value for held in Held}) == []


@pytest.mark.parametrize(("found", "pinned"), [(DECISION_ORDER, DECIDED), (REJECTED_ORDER, REJECTED)])
def test_order_is_told_apart_from_codes(found: Sequence[Reason], pinned: Sequence[str]) -> None:
    assert [reason.value for reason in found] == [*pinned]


def test_every_reason_has_its_turn() -> None:
    assert {*DECISION_ORDER} == {*Reason}
    assert {*REJECTED_ORDER} == {*Reason} - {Reason.DUPLICATE}


@pytest.mark.parametrize(("kind", "pinned"), [(Entry, ENTRY), (RawEntry, RAW_ENTRY)])
def test_places_in_the_entry_of_a_partition(kind: type[Entry | RawEntry], pinned: Sequence[str]) -> None:
    assert tuple(field.name for field in fields(kind)) == pinned


def test_places_in_a_chunk() -> None:
    assert tuple(field.name for field in msgspec.structs.fields(CleanChunk)) == CHUNK
    assert tuple(field.name for field in msgspec.structs.fields(Shape)) == ("type", "values", "measures")


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_names_that_are_kept(kind: type) -> None:
    assert {member.value for member in kind} == NAMES[kind]  # type: ignore[var-annotated, attr-defined]


def test_kinds_of_keys() -> None:
    assert (ENTRY_KEY, HOUR_KEY, accept_fold._PENDING_KEY) == (b"e", b"h", b"p")
    assert STORED == (b"c", b"s", b"q", b"i")
    assert Consent.key("acme", "platform", b"x") == b"cacme|p|x"
    assert Consent.key("acme", "app", b"x") == b"cacme|a|x"
    books = LedgerBuilder(0)
    books.begin(HOUR_MS, -1, [])
    assert books._key("acme") == b"b" + HOUR_MS.to_bytes(8, "big") + b"acme"
    keys = (member_key(b"id", b"x"), bounds_key("acme"), pending_key("acme"), bins_key(b"id", 3))
    assert keys == (b"mid|x", b"xacme", b"wacme", b"did|3")
    window = Window("acme", METRICS["feedback"], span_of(WindowSize.DAY, 0, Deciding()), b"id|")
    assert reading_key(window, ("positive",), b"x") == b"gid|sentiment=positive|x"
    assert SEGMENT == 32


def test_what_the_compiled_part_tells_by_number() -> None:
    assert AT_ONCE == (  # as in agents/core/native/short.h
        (Reason.NOT_JSON, ""),
        (Reason.NOT_CLOUDEVENTS, ""),
        (Reason.NOT_CLOUDEVENTS, "/specversion"),
        (Reason.NOT_CLOUDEVENTS, "/0"),
        (Reason.NOT_CLOUDEVENTS, "/0/specversion"),
    )
