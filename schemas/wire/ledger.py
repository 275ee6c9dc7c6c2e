"""The books: what became of every event of a partition in one hour of append time (ADR 0013).

One entry a company that had an event in the hour, and one without a company, which is always there: it takes the
events of which no company is known, and says what the hour was in the log. An hour is closed when a record of a later
hour is folded; what is written then follows from the log alone, so an honest repeat is equal byte for byte.

The hash of an hour is the SHA-256 of its entries, each followed by a line feed, the one without a company first, the
others by company: ``sha256sum`` of the file of them. Each entry carries the hash of the hour before.
"""

import hashlib
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.forms import form_reader, whole

__all__ = [
    "BLOCK_OUTCOMES",
    "COUNTED",
    "OUTCOME_CODES",
    "REASONS_BY_CODE",
    "REJECTED_ORDER",
    "HourLog",
    "LedgerEntry",
    "PreviousHour",
    "decode_entry",
    "digest_outcomes",
    "encode_entry",
    "hash_hour",
    "ledger_key",
    "ledger_schema",
    "pack_outcome",
    "pack_outcomes",
]

COUNTED: Final = 0
OUTCOME_CODES: Final[Mapping[Reason, int]] = {
    Reason.TOO_LARGE: 1,
    Reason.NOT_JSON: 2,
    Reason.NOT_CLOUDEVENTS: 3,
    Reason.UNKNOWN_TYPE: 4,
    Reason.BAD_FIELD: 5,
    Reason.BAD_TIME: 6,
    Reason.KEY_MISMATCH: 7,
    Reason.CLOCK_AHEAD: 8,
    Reason.TOO_LATE: 9,
    Reason.DUPLICATE: 10,
    Reason.NO_CONSENT: 11,
    Reason.UNREADABLE: 12,
    Reason.FORGED_CONTROL: 13,
    Reason.OVER_BOUND: 14,
}
"""Code of each rejection in the digest; 0 is counted.

Codes are kept for good in state and ledger: a new reason takes the next one, and no code is ever used again.
"""
REASONS_BY_CODE: Final = {code: reason for reason, code in OUTCOME_CODES.items()}
REJECTED_ORDER: Final = (
    Reason.UNREADABLE,
    Reason.FORGED_CONTROL,
    Reason.TOO_LARGE,
    Reason.NOT_JSON,
    Reason.NOT_CLOUDEVENTS,
    Reason.UNKNOWN_TYPE,
    Reason.BAD_FIELD,
    Reason.BAD_TIME,
    Reason.KEY_MISMATCH,
    Reason.CLOCK_AHEAD,
    Reason.TOO_LATE,
    Reason.NO_CONSENT,
    Reason.OVER_BOUND,
)
"""Order of the members of ``rejected``, which is hashed and kept for good: a new reason goes to the end.

Apart from the order in which reasons are decided, which may change.
"""
BLOCK_OUTCOMES: Final = 16
"""Outcomes hashed at once."""
_OUTCOME_BYTES: Final = 8
_CODE_SHIFT: Final = 56

Count = Annotated[int, msgspec.Meta(ge=0)]
Hour = Annotated[str, msgspec.Meta(pattern=whole("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z"))]
Hash = Annotated[str, msgspec.Meta(pattern=whole("[0-9a-f]{64}"))]


class PreviousHour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The last hour before in which the partition had a record, and its hash."""

    hour: Hour
    hash: Hash


class HourLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What the hour was in the log: raw offsets ``first`` to ``last``, which follow on the hour before.

    ``entries`` is the number of entries of the hour, ``received`` the events read in it, whatever became of them;
    ``moved`` records were copied to their home and are judged there, ``ticks`` and ``controls`` are records of our
    own, ``skipped`` the offsets that nobody has accounted for, such as those of a gap that an operator accepted.
    """

    first: Count
    last: Annotated[int, msgspec.Meta(ge=-1)]
    entries: Annotated[int, msgspec.Meta(ge=1)]
    received: Count
    moved: Count
    ticks: Count
    controls: Count
    skipped: Count


class LedgerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One page of the books; (``partition``, ``hour``, ``company``) identifies it.

    ``received`` = ``counted`` + ``duplicate`` + the sum of ``rejected``, which is by reason and without those of 0.
    ``first`` and ``last`` are the raw offsets of its first and last event, null where it has none. ``outcomes`` is
    the digest of (offset, outcome) of each event in raw order, see :func:`digest_outcomes`. ``log`` is there where
    ``company`` is null. ``previous`` is null where the books begin.
    """

    partition: Count
    hour: Hour
    company: str | None
    received: Count
    counted: Count
    duplicate: Count
    rejected: dict[Reason, Annotated[int, msgspec.Meta(ge=1)]]
    first: Count | None
    last: Count | None
    outcomes: Hash
    log: HourLog | None
    previous: PreviousHour | None


_encoder = msgspec.json.Encoder()
_read = form_reader("an entry of the ledger", msgspec.json.Decoder(LedgerEntry).decode)


def encode_entry(entry: LedgerEntry) -> bytes:
    """The JSON of ``entry``, the same bytes for equal entries whose reasons stand in :data:`REJECTED_ORDER`."""
    return _encoder.encode(entry)


def decode_entry(data: bytes) -> LedgerEntry:
    """The entry in ``data``; raises :class:`schemas.wire.forms.UnknownFormError` where it is none."""
    return _read(data)


def ledger_key(partition: int, hour: int, company: str | None) -> bytes:
    """``partition|hour|company``, the record's key; ``hour`` in milliseconds since 1970 UTC."""
    return f"{partition}|{instant(hour)}|{company or ''}".encode()


def pack_outcome(offset: int, code: int) -> bytes:
    """One outcome as it is digested: the code in the highest of 8 bytes, the raw offset in the others, big-endian."""
    return (code << _CODE_SHIFT | offset).to_bytes(_OUTCOME_BYTES, "big")


def pack_each(offsets: Sequence[int], codes: Sequence[int]) -> bytes:
    """As :func:`pack_outcome`, of one event at each offset, one after the other."""
    packed = array("Q", [code << _CODE_SHIFT | offset for offset, code in zip(offsets, codes, strict=True)])
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def pack_outcomes(offset: int, codes: Sequence[int]) -> bytearray:
    """As :func:`pack_outcome`, of several events of one record, one after the other."""
    packed = bytearray(offset.to_bytes(_OUTCOME_BYTES, "big") * len(codes))
    packed[::_OUTCOME_BYTES] = bytes(codes)
    return packed


def digest_outcomes(chain: bytes, outcomes: bytes) -> tuple[bytes, bytes]:
    """Take whole blocks of packed ``outcomes`` into ``chain``; returns the new chain and the outcomes left over.

    The chain is empty before the first block, then the SHA-256 of the chain before and 16 packed outcomes. The digest
    of an entry is the SHA-256 of the chain and the outcomes that are left over at the end of its hour.
    """
    block = BLOCK_OUTCOMES * _OUTCOME_BYTES
    whole = len(outcomes) - len(outcomes) % block
    for begin in range(0, whole, block):
        chain = hashlib.sha256(chain + outcomes[begin : begin + block]).digest()
    return chain, outcomes[whole:]


def hash_hour(entries: Iterable[tuple[bytes, bytes]]) -> str:
    """The hash of one hour of one partition from the (key, value) of its entries, in any order."""
    return hashlib.sha256(b"".join([value + b"\n" for _, value in sorted(entries)])).hexdigest()


def ledger_schema() -> dict[str, object]:
    """The JSON Schema of an entry."""
    return msgspec.json.schema(LedgerEntry)
