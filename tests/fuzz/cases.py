"""What an input of the fuzzer stands for, and the comparison of both forms on it.

The first byte is the kind of case, what follows is up to that. Any bytes are a case.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from agents.core.accept.fast_decode import AT_ONCE
from agents.core.accept.state import CHUNK_BYTES
from agents.core.native import Records, cut
from agents.core.shared.records import RawRecord
from pipeline.kafka.batch import Block
from pipeline.kafka.block_records import unreadable, walk
from pipeline.kafka.codecs import UnreadableError
from pipeline.kafka.parts import HEADER_WEIGHT, weight_of
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle.homes import home_of
from schemas.catalogue.types import EVENT_TYPES
from schemas.limits import HOUR_MS
from schemas.wire.columns import pack, pack_in_python, unpack, unpack_in_python
from tests.control_kit import signed
from tests.core.random_log import START
from tests.core.test_fast_path import fetched
from tests.core.test_pre_aggregate import LATEST, Row, chunk_of
from tests.fuzz.comparing import CATALOGUES, DECODERS, PLACES, Folds, alike, answer, group
from tests.refused import refusals_of

__all__ = ["BATCHES", "BEHIND", "COLUMNS", "KEYED", "OWN_TYPES", "RECORDS", "STARTS", "STEPS", "TALLY", "UNREADABLE"]
__all__ += ["check", "joined", "parted"]

RECORDS, BATCHES, TALLY, COLUMNS = range(4)
NOON: Final = 1793527200000
STARTS: Final = (NOON, START + 20 * 24 * HOUR_MS)
STEPS: Final = (0, 1, 1000, 60_000, HOUR_MS, 5 * HOUR_MS, 20 * HOUR_MS, 40 * 24 * HOUR_MS)
"""Milliseconds from one record to the next."""
KEYED: Final = (None, b"", b"acme", b"beta", b"c-3", b"other", b"\xff", b"a" * 128)
BEHIND, GAP, UNREADABLE = 8, 16, 32
_HEADERS: Final = ("", "footfall-tick", "footfall-fold", "h")
_FAR: Final = 1 << 45
_MOST_PARTS: Final = 10
"""Of a case: what is beyond costs time and shows little."""
_SIZES: Final = (1000, 5, 2, 1000)
"""Records of a chunk, of which few cost less."""
_MOST: Final = (700, 5000, CHUNK_BYTES, CHUNK_BYTES)
OWN_TYPES: Final = {name: entry for name, entry in CATALOGUES[1].types.items() if name not in EVENT_TYPES}


def check(data: bytes) -> None:
    """Raises :class:`DifferenceError` where both forms do not come to the same."""
    if data:
        _KINDS[data[0] % len(_KINDS)](data[1:])


# ---- records: a setting, then each record behind a byte that no UTF-8 holds


def parted(data: bytes) -> list[bytes]:
    """The parts of a case of records."""
    return data.split(b"\xff")


def joined(parts: Sequence[bytes]) -> bytes:
    """The inverse of :func:`parted`."""
    return b"\xff".join(parts)


def _records(data: bytes) -> None:
    setting, *told = parted(data)[: _MOST_PARTS + 1]
    chosen = setting[:2].ljust(2, b"\x00")
    deciding, partitions = PLACES[chosen[0] & 3]
    partition = home_of(b"acme", partitions)
    found = _stored(told, STARTS[chosen[1] & 1], partition)
    if any(name.startswith("footfall") for each in found for name, _ in each.headers):
        found = signed(found, deciding, partitions)
    records = [RawRecord(*each[1:]) for each in found]
    own = chosen[1] >> 1 & 1
    folds = Folds(deciding, partition, partitions, own, _SIZES[chosen[0] >> 2 & 3], _MOST[chosen[0] >> 4 & 3])
    given = fetched(records) if chosen[0] & 64 else records
    folds.compare(given, records)


def _stored(told: Sequence[bytes], now: int, partition: int) -> list[StoredRecord]:
    found, offset = [], 0
    for part in told:
        how, key, value = part[0] if part else 0, part[1] if len(part) > 1 else 2, part[2:]
        now += STEPS[how & 7]
        offset += bool(how & GAP)
        at = (partition, offset, now - (5000 if how & BEHIND else 0))
        header = _HEADERS[how >> 6]
        if how & UNREADABLE:
            found.append(StoredRecord(*at, None, None, (), offset))
        elif header.startswith("footfall"):
            found.append(StoredRecord(*at, KEYED[key & 7], None, ((header, value),)))
        else:
            content = None if key & 128 else value
            found.append(StoredRecord(*at, KEYED[key & 7], content, ((header, value[:4]),) if header else ()))
        offset += 1
    return found


# ---- batches: each behind three bytes that hardly stand in one: how, how many, last offset, least offset, records

_APART: Final = b"\xff\xff\xff"
_TIMES: Final = (0, NOON, 2**63 - 1, -(2**63))
_NUMBERS: Final = {255: -1, 254: 2**31 - 1, 253: 1000, 252: -(2**31)}


def _blocks(data: bytes) -> Iterator[Block]:
    base = 5
    for part in data.split(_APART)[:_MOST_PARTS]:
        how, records, last, least = part[:4].ljust(4, b"\x00")
        to = base + max(_NUMBERS.get(last, last), 0)
        where = (4, max(len(part), 4), _NUMBERS.get(records, records), base, to, base + (least & 15))
        times = _TIMES[how & 3], NOON + (how >> 2 & 3) * HOUR_MS
        yield Block(part.ljust(4, b"\x00"), *where, *times, bool(how & 16))
        base = to + 1


def _batches(data: bytes) -> None:
    chosen, blocks = data[:1].ljust(1, b"\x00")[0], [*_blocks(data[1:])]
    read = [_walked(block) for block in blocks]
    wanted = [record for records in read for record in records]
    records = Records(blocks, RawRecord)
    alike("records", [*records], wanted)
    _look_at(records, wanted, chosen)
    for block, whole in zip(blocks, read, strict=True):
        _cut(block, whole, 1 + (chosen >> 6))
    if chosen & 16 and wanted and all(0 <= each.append_time < _FAR for each in wanted):
        folds = Folds(PLACES[0][0], 0, 1, 0, _SIZES[chosen & 3], _MOST[chosen >> 2 & 3])
        folds.compare(records, wanted)


def _walked(block: Block) -> list[RawRecord]:
    try:
        return [*walk(block, RawRecord)]
    except UnreadableError:
        return [unreadable(block, RawRecord)] if block.last >= block.least else []


def _cut(block: Block, whole: list[RawRecord], most: int) -> None:
    places = cut(block, most)
    if places is None:
        alike("a block that is not cut", [each.unreadable_to is None for each in whole], [False] * len(whole))
        return
    parts = [block._replace(begin=begin, end=end, records=count) for begin, end, count in places]
    alike("records of a cut block", [*Records(parts, RawRecord)], whole)


def _look_at(records: "Records[RawRecord]", wanted: list[RawRecord], chosen: int) -> None:
    """What a sequence of records answers beside its items."""
    at, room = chosen & 7, chosen * 5
    alike("a part", [*records[at : at + 3]], wanted[at : at + 3])
    offset = wanted[at].offset if at < len(wanted) else at
    alike("those behind", [*records.after(offset)], [each for each in wanted if each.offset > offset])
    count, left = 0, room
    while count < min(len(wanted), at) and (left := left - weight_of(wanted[count])) >= 0:
        count += 1
    alike("fitting", records.fitting(at, room, HEADER_WEIGHT), max(count, min(len(wanted), 1)))
    for begin in range(len(wanted)):
        offsets, verdicts = records.refused(begin, NOON, 1)
        for (reason, path), refused in zip((AT_ONCE[verdict] for verdict in verdicts), offsets, strict=True):
            (refusal,) = refusals_of(DECODERS[0](wanted[begin]))
            alike("a refusal at once", (refused, reason, path), (wanted[begin].offset, refusal.reason, refusal.path))


# ---- rows of a chunk: a begin and an end, which shapes are active and count sources, then eight bytes a row


def _pre_aggregate(data: bytes) -> None:
    begin, end, active, installs = data[:4].ljust(4, b"\x00")
    rows = [_row(data[at : at + 8]) for at in range(4, len(data) - 7, 8)]
    begin = -1 if begin == 255 else begin % (len(rows) + 1)
    end = len(rows) + 1 if end == 255 else len(rows) - end % (len(rows) + 1)
    bits = [bytes([told >> at & 1 for at in range(5)]) for told in (active, installs)]
    group(chunk_of(rows), begin, end, *bits)


_MEASURES: Final = {255: -1, 254: 2**63 - 1, 253: 2**62, 252: 10**12}
_OUTSIDE: Final = (-2, -1, 3, 4, 5, 6, 7, 8)
"""Where the dictionaries of a chunk end, and beyond."""


def _row(told: bytes) -> Row:
    hour = told[0] << 8 | told[1]
    time = {0xFFFF: -1, 0xFFFE: 2**62, 0xFFFD: LATEST}.get(hour, hour * 1_200_000)
    company, shape, user, source = (
        each % count - less if each < 248 else _OUTSIDE[each - 248]
        for each, count, less in zip(told[2:6], (4, 5, 7, 3), (0, 0, 1, 0), strict=True)
    )
    return time, company, shape, user, source, [_MEASURES.get(each, each) for each in told[6:]]


# ---- columns


def _columns(data: bytes) -> None:
    found = answer(lambda: unpack(data), msgspec.MsgspecError)
    alike("a column", found, answer(lambda: unpack_in_python(data), msgspec.MsgspecError))
    within = answer(lambda: unpack(data, -1, 5), msgspec.MsgspecError)
    alike("a bounded column", within, answer(lambda: unpack_in_python(data, -1, 5), msgspec.MsgspecError))
    numbers = array("q", data[: len(data) // 8 * 8])
    alike("a packed column", pack(numbers), pack_in_python(numbers))
    if isinstance(found, array):
        alike("a column packed again", pack(found), pack_in_python(found))


_KINDS: Final[tuple[Callable[[bytes], None], ...]] = (_records, _batches, _pre_aggregate, _columns)
