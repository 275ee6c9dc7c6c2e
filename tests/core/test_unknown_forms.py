"""What this release did not write is not read: another version, a field more or less, a code that it does not know."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from agents.core.accept.consent import Consent
from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.ledger import HOUR_KEY, Account
from agents.core.accept.source import read_head
from agents.core.accept.state import RawEntry
from agents.core.count.company_bounds import bounds_key, newest_day
from agents.core.count.fold import AggregateFold
from agents.core.count.kinds.activity import read_days
from agents.core.count.pending_windows import read_pending
from agents.core.count.state import Entry, read_figure
from agents.core.shared.joins import ENTRY_KEY, JoinedLog, StateError, payload_of, seal
from agents.core.shared.store import MemoryStore
from schemas.deciding import Deciding
from schemas.reasons import Reason
from schemas.wire.aggregates import decode_aggregate
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, OtherVersionError, Shape, decode_chunk, encode_chunk
from schemas.wire.columns import column
from schemas.wire.corrections import decode_correction, encode_correction
from schemas.wire.forms import UnknownFormError
from schemas.wire.ledger import HourLog, LedgerEntry, PreviousHour, decode_entry, encode_entry
from schemas.wire.rejections import Rejection, decode_rejection, encode_rejection
from tests.control_kit import PSEUDONYMS

HOUR = "2026-11-01T10:00:00Z"
CHATS = f"acme|chats_created|PT1H|{HOUR}|"
ENTRY = LedgerEntry(
    *(0, HOUR, None, 1, 0, 0, {Reason.TOO_LATE: 1}, 3, 3, "0" * 64),
    HourLog(3, 3, 1, 1, 0, 0, 0, 0),
    PreviousHour(HOUR, "1" * 64),
)
CORRECTION = encode_correction(CHATS, 3, 4, 0, 7, 1793527200000)
REJECTION = encode_rejection(Rejection("raw", 0, 7, Reason.BAD_TIME, "/time", None, None, "2026-11-01T10:00:00.000Z"))
FIGURE = json.dumps(
    {
        "id": CHATS,
        "company": "acme",
        "metric": "chats_created",
        "kind": "count",
        "unit": "1",
        "dimensions": {},
        "window": {"size": "PT1H", "start": HOUR, "end": "2026-11-01T11:00:00Z"},
        "value": 4,
        "status": "final",
        "revision": 15,
        "watermark": HOUR,
    }
).encode()
DEC = Deciding(partitions=1)


def chunk() -> CleanChunk:
    columns = [column([number]) for number in (7, 1793527200000, -1, 0, 0, -1, 0)]
    lists = (["acme"], [Shape("chat.created", ())], [], [b"s" * 16])
    return CleanChunk(CLEAN_VERSION, 5, 7, 0, 0, "a-b", 0, *lists, *columns)


def wire() -> list[Any]:
    found: list[Any] = msgspec.msgpack.decode(encode_chunk(chunk()))
    return found


def changed(at: int, value: object) -> list[Any]:
    fields = wire()
    fields[at] = value
    return fields


# ---- clean


def test_a_chunk_of_this_release_is_read() -> None:
    assert decode_chunk(encode_chunk(chunk())) == chunk()


@pytest.mark.parametrize("version", [0, CLEAN_VERSION + 1, 99])
@pytest.mark.parametrize("more", [[], [[3]], [[3], 4]])
def test_a_chunk_of_another_version_is_refused_whatever_it_holds(version: int, more: list[object]) -> None:
    with pytest.raises(OtherVersionError, match=f"of version {version}, not {CLEAN_VERSION}") as caught:
        decode_chunk(msgspec.msgpack.encode([*changed(0, version), *more]))
    assert caught.value.version == version


@pytest.mark.parametrize(
    "fields",
    [
        [*wire(), [3]],  # an eighth column
        wire()[:-1],
        changed(8, [["chat.created", [], 1]]),  # a shape that says more
        changed(11, [7, 8]),  # columns of different lengths
        changed(12, ["7"]),
        changed(5, 7),
    ],
)
def test_a_chunk_of_another_shape_is_refused(fields: list[Any]) -> None:
    with pytest.raises(UnknownFormError) as caught:
        decode_chunk(msgspec.msgpack.encode(fields))
    assert caught.value.version is None


# ---- what is kept as JSON


READERS: list[tuple[bytes, Callable[[bytes], object]]] = [
    (encode_entry(ENTRY), decode_entry),
    (CORRECTION, decode_correction),
    (REJECTION, decode_rejection),
    (FIGURE, decode_aggregate),
]


def objects(told: dict[str, Any]) -> list[dict[str, Any]]:
    """An object and those in it whose members have names of ours."""
    return [
        told,
        *(
            each
            for name, each in told.items()
            if isinstance(each, dict) and name in {"log", "previous", "cause", "window"}
        ),
    ]


@pytest.mark.parametrize(("record", "read"), READERS)
def test_a_field_more_or_less_is_refused_at_every_level(record: bytes, read: Callable[[bytes], object]) -> None:
    read(record)
    for level, names in enumerate(map(list, objects(json.loads(record)))):
        for name in names:
            less, more = json.loads(record), json.loads(record)
            del objects(less)[level][name]
            objects(more)[level]["further"] = 1
            for told in (less, more):
                with pytest.raises(UnknownFormError):
                    read(json.dumps(told).encode())


@pytest.mark.parametrize(("record", "read"), READERS)
def test_nothing_of_a_record_is_told(record: bytes, read: Callable[[bytes], object]) -> None:
    for planted in (record + b"secret", record.replace(b'"', b'"secret', 1), b'"secret"', b"", b"secret"):
        with pytest.raises(UnknownFormError) as caught:
            read(planted)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("record", "read", "name"),
    [(encode_entry(ENTRY), decode_entry, "too-late"), (REJECTION, decode_rejection, "bad-time")],
)
def test_a_reason_of_a_later_release_is_refused(record: bytes, read: Callable[[bytes], object], name: str) -> None:
    with pytest.raises(UnknownFormError):
        read(record.replace(name.encode(), b"too-early"))


# ---- state


def anonymize(*rows: tuple[bytes, bytes], entry: bytes | None = None) -> None:
    fold = AnonymizeFold(DEC, PSEUDONYMS, topic="raw", partition=0, partitions=1, digest="d")
    entry = RawEntry(9, 1, 1, 1, 0, 0, 1).write() if entry is None else entry
    fold.restore([(ENTRY_KEY, entry), *rows])


def aggregate(*rows: tuple[bytes, bytes], entry: bytes | None = None) -> None:
    entry = Entry(9, 1, 1, 1, 1, 1, 1, 1, 1).write() if entry is None else entry
    AggregateFold(DEC, 0).restore([(ENTRY_KEY, entry), *rows])


SOURCE = b"sacme|" + b"p" * 16
BORN = (3).to_bytes(8, "big")
HOUR_ROW = (HOUR_KEY, seal(9, (0, 0, 0, 0, 0, 0, 0, None)))
ACCOUNT = b"b" + bytes(8) + b"acme"
GOOD_ACCOUNT = (1, 0, [9, 1], 3, 3, b"", b"")
SOURCE_ROW = (SOURCE, seal(9, (3, -1, None, None)))
RAW_VALUES: list[tuple[bytes, object, list[tuple[bytes, bytes]]]] = [
    (b"p", [5], []),
    (Consent.key("acme", "app", b"x"), (True, 1, 2), []),
    (SOURCE, (3, -1, [0, 1], None), []),
    (b"q" + SOURCE[1:] + BORN + bytes(8), [0, 1], [SOURCE_ROW]),
    (b"i" + SOURCE[1:] + BORN + bytes(16), b"", [SOURCE_ROW]),
    (HOUR_KEY, (0, 0, 0, 0, 0, 0, 0, ("2026-11-01T10:00:00Z", "0")), []),
    (ACCOUNT, GOOD_ACCOUNT, [HOUR_ROW]),
]
FIGURE_ROW = (b"f" + CHATS.encode(), seal(9, (1, 3, False)))
VALUES: list[tuple[bytes, object, list[tuple[bytes, bytes]]]] = [
    (b"f" + CHATS.encode(), (1, 3, False), []),
    (b"m" + CHATS.encode() + b"|" + b"p" * 16, None, [FIGURE_ROW]),
    (b"aacme|" + b"p" * 16, (20_000, b"\x01"), []),
    (b"wacme", (20_000, {}), []),
    (bounds_key("acme"), [(20_000, 1, 0, 0, 0, 1, 1, 1, 1)], []),
]


def others(payload: object) -> list[object]:
    """The payload as a later release might write it."""
    if isinstance(payload, tuple):
        return [(*payload, 1), payload[:-1], {"v": 2}, 7]
    if isinstance(payload, list):
        return [[*payload, None], {"v": 2}, *([[(*payload[0], 1)]] if isinstance(payload[0], tuple) else [])]
    return [[payload], 7]


@pytest.mark.parametrize(
    ("restore", "key", "payload", "rows"),
    [(anonymize, *row) for row in RAW_VALUES] + [(aggregate, *row) for row in VALUES],
    ids=lambda told: told[:1].decode() if isinstance(told, bytes) else None,
)
def test_a_value_of_another_shape_is_refused(
    restore: Callable[..., None], key: bytes, payload: object, rows: list[tuple[bytes, bytes]]
) -> None:
    restore((key, seal(9, payload)), *rows)
    for other in others(payload):
        with pytest.raises(StateError, match="has another shape"):
            restore((key, seal(9, other)), *rows)


@pytest.mark.parametrize("restore", [anonymize, aggregate])
def test_a_key_of_no_known_kind_is_refused(restore: Callable[..., None]) -> None:
    with pytest.raises(StateError, match="a key of no known kind"):
        restore((b"zacme", seal(9, None)))


@pytest.mark.parametrize("codes", [[15, 1], [0, 1], [9]])
def test_an_account_with_a_code_of_a_later_release_is_refused(codes: list[int]) -> None:
    assert Account.restored(seal(9, GOOD_ACCOUNT)).decided == 1
    with pytest.raises(StateError, match="outcomes of another release"):
        anonymize(HOUR_ROW, (ACCOUNT, seal(9, (1, 0, codes, 3, 3, b"", b""))))


@pytest.mark.parametrize(("restore", "count"), [(anonymize, 7), (aggregate, 9)])
def test_an_entry_of_another_shape_is_refused(restore: Callable[..., None], count: int) -> None:
    in_force = (0, -1, ["d"])
    restore(entry=seal(9, (*[1] * count, in_force)))
    for fields in (
        (*[1] * count, in_force, 1),
        (*[1] * (count - 1), "1", in_force),
        (*[1] * count, (*in_force, 1)),
        (*[1] * 4, in_force),
        {"v": 2},
    ):
        with pytest.raises(StateError, match="entry has another shape"):
            restore(entry=seal(9, fields))
    for value in (b"", bytes(8), bytes(9) + b"\xc1"):
        with pytest.raises(StateError, match="entry has another shape"):
            restore(entry=value)


@pytest.mark.parametrize("other", [b"", bytes(8) + b"\xc1", seal(9, {"v": 2}), seal(9, ["1", 2])])
def test_entries_that_cannot_be_joined_are_refused(other: bytes) -> None:
    joined = JoinedLog()
    joined.apply(ENTRY_KEY, Entry(9, 1, 1).write())
    with pytest.raises(StateError, match="entry has another shape"):
        joined.apply(ENTRY_KEY, other)


def test_a_value_that_stays_in_a_store_is_refused_when_it_is_read() -> None:
    store = MemoryStore()
    joined = JoinedLog(store)
    for key, value in ((SOURCE, seal(9, (3, -1, None, None, 1))), (ENTRY_KEY, RawEntry(9, 1, 1, 1, 0, 0, 1).write())):
        joined.apply(key, value)
    fold = AnonymizeFold(DEC, PSEUDONYMS, topic="raw", partition=0, partitions=1, digest="d")
    fold.restore_from(joined)
    with pytest.raises(StateError, match="a source has another shape"):
        fold._state.sources.knows(b"acme", 1)


def test_readers_name_what_they_read() -> None:
    other = seal(9, "x")
    assert payload_of(other) == b"\xa1x"
    for read, name in ((read_figure, "a figure"), (read_days, "a user's days"), (read_head, "a source")):
        with pytest.raises(StateError, match=name):
            read(other)
    for read_other in (read_pending, newest_day):
        with pytest.raises(StateError):
            read_other(other)
