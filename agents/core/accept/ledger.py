"""The accounts of the open hour of one raw partition, and its entries once a record of a later hour is folded.

=============================  ==========================================================================
key                            payload
=============================  ==========================================================================
``h``                          the hour: [hour, first offset, received, moved, ticks, controls, skipped,
                               nil or [hour before, its hash]]
``b`` hour company             an account: [received, counted, [code, count, ...], first, last, chain, rest]
=============================  ==========================================================================

``hour`` is its start in milliseconds, 8 bytes in keys; ``company`` is empty for events of which none is known. An
account of another hour than the open one is dead by its key. See :mod:`schemas.wire.ledger` for what an entry says.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from sys import byteorder

from agents.core.shared.joins import StateError, fence_of, seal, value_reader
from agents.core.shared.windows import NEVER
from schemas.limits import HOUR_MS
from schemas.reasons import Reason
from schemas.times import instant
from schemas.wire.ledger import (
    COUNTED,
    OUTCOME_CODES,
    REASONS_BY_CODE,
    REJECTED_ORDER,
    HourLog,
    LedgerEntry,
    PreviousHour,
    digest_outcomes,
    encode_entry,
    hash_hour,
    ledger_key,
)

__all__ = ["HOUR_KEY", "Account", "LedgerBuilder", "LedgerRow"]

HOUR_KEY = b"h"
_ACCOUNT_COST = 400
"""Bytes of a chunk's state that an account comes to at most, its company's name apart."""
_WORD = 8
_MANY_OUTCOMES = 8192
"""Bytes of outcomes that are digested at once, and are kept until then."""
_DUPLICATE = OUTCOME_CODES[Reason.DUPLICATE]
_read_hour = value_reader(
    "the open hour of the books", tuple[int, int, int, int, int, int, int, tuple[str, str] | None]
)
_read_account = value_reader(
    "an account of the books", tuple[int, int, list[int], int | None, int | None, bytes, bytes]
)

LedgerRow = tuple[bytes, bytes]
"""Key and value of an entry."""


class Account:
    """What became of the events of one company in the open hour.

    ``fast`` takes the raw offsets of counted events in their order, cheaply; they are entered with the next call of
    anything else.
    """

    __slots__ = ("_chain", "_codes", "_counted", "_first", "_last", "_rest", "fast", "received")

    def __init__(self) -> None:
        self.received = 0
        self.fast: array[int] = array("Q")
        self._counted = 0
        self._codes: dict[int, int] = {}
        self._first: int | None = None
        self._last: int | None = None
        self._chain = b""
        self._rest = bytearray()
        """Outcomes that are not in the chain yet."""

    def enter(self, first: int, last: int, outcomes: bytes | bytearray, counts: Mapping[int, int]) -> None:
        """Enter events of the records at raw offsets ``first`` to ``last``.

        ``outcomes`` are packed, in raw order; ``counts`` says how many there are of each code.
        """
        self.settle()
        self.received += len(outcomes) // _WORD
        for code, count in counts.items():
            if code == COUNTED:
                self._counted += count
            else:
                self._codes[code] = self._codes.get(code, 0) + count
        self._put(first, last, outcomes)

    def settle(self) -> None:
        """Enter what ``fast`` has taken."""
        if self.fast:
            offsets, first, last = self.fast, self.fast[0], self.fast[-1]
            self.received += len(offsets)
            self._counted += len(offsets)
            if byteorder == "little":
                offsets.byteswap()
            self._put(first, last, offsets.tobytes())
            del offsets[:]

    def _put(self, first: int, last: int, outcomes: bytes | bytearray) -> None:
        if self._first is None:
            self._first = first
        self._last = last
        self._rest += outcomes
        if len(self._rest) > _MANY_OUTCOMES:
            self._digest()

    def _digest(self) -> None:
        self._chain, rest = digest_outcomes(self._chain, bytes(self._rest))
        self._rest = bytearray(rest)

    @property
    def decided(self) -> int:
        """Events of which the outcome is known."""
        return self._counted + sum(self._codes.values())

    def payload(self) -> tuple[object, ...]:
        """What is kept of it between two chunks."""
        self._digest()
        codes = [number for pair in sorted(self._codes.items()) for number in pair]
        return self.received, self._counted, codes, self._first, self._last, self._chain, bytes(self._rest)

    @classmethod
    def restored(cls, value: bytes) -> "Account":
        """From a value of the state; raises :class:`agents.core.shared.joins.StateError`."""
        account = cls()
        account.received, account._counted, codes, *ends, account._chain, rest = _read_account(value)
        account._first, account._last = ends
        account._rest = bytearray(rest)
        if len(codes) % 2 or not REASONS_BY_CODE.keys() >= {*codes[::2]}:
            raise StateError("an account of the books holds outcomes of another release")
        account._codes = dict(zip(codes[::2], codes[1::2], strict=True))
        return account

    def entry(
        self, partition: int, hour: str, company: str, log: HourLog | None, previous: PreviousHour | None
    ) -> bytes:
        """The entry of the closed hour."""
        self._digest()
        rejected = {
            reason: count for reason in REJECTED_ORDER if (count := self._codes.get(OUTCOME_CODES[reason])) is not None
        }
        return encode_entry(
            LedgerEntry(
                partition,
                hour,
                company or None,
                self.received,
                self._counted,
                self._codes.get(_DUPLICATE, 0),
                rejected,
                self._first,
                self._last,
                hashlib.sha256(self._chain + self._rest).hexdigest(),
                log,
                previous,
            )
        )


class LedgerBuilder:
    """The open hour of one partition; nothing is open before the first record."""

    __slots__ = (
        "_accounts",
        "_first",
        "_hour",
        "_partition",
        "_previous",
        "controls",
        "end",
        "gap",
        "moved",
        "received",
        "skipped",
        "ticks",
        "touched",
        "unbalanced",
    )

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._hour = NEVER
        self._first = 0
        self._previous: PreviousHour | None = None
        self._accounts: dict[str, Account] = {}
        self.touched: dict[str, Account] = {}
        """Accounts to be written with the chunk."""
        self.end = 0
        """Append time at which the next hour begins."""
        self.gap = 0
        """Offsets before the next record that nobody has accounted for."""
        self.received = self.moved = self.ticks = self.controls = self.skipped = 0
        self.unbalanced = False
        """Whether in the hour that ``begin`` closed what was received is not what was decided."""

    def touch_cost(self, company: str) -> int:
        """By how many bytes at most the chunk's state grows as the company's account is asked for."""
        return 0 if company in self.touched else _ACCOUNT_COST + len(company)

    def account(self, company: str) -> Account:
        """The account of a company, "" where none is known; it is written with the chunk."""
        account = self.touched.get(company)
        if account is None:
            account = self._accounts.get(company)
            if account is None:
                account = self._accounts[company] = Account()
            self.touched[company] = account
        return account

    def begin(self, append_time: int, fence: int, tombstones: list[bytes]) -> list[LedgerRow]:
        """Begin a chunk whose first record bears ``append_time``, the greatest so far; ``fence`` is before it.

        Where that is in a later hour the open one is closed: its entries are returned, the one without a company
        first, and its keys go to ``tombstones``.
        """
        rows: list[LedgerRow] = []
        self.unbalanced = False
        if append_time >= self.end:
            if self._hour != NEVER:
                rows = self._close(fence - self.gap)
                tombstones += [self._key(company) for company in self._accounts]
            self._hour = append_time - append_time % HOUR_MS
            self.end = self._hour + HOUR_MS
            self._first = fence - self.gap + 1
            self._accounts, self.touched = {}, {}
        self.skipped += self.gap
        self.gap = 0
        return rows

    def _close(self, last: int) -> list[LedgerRow]:
        spine, hour = self.account(""), instant(self._hour)
        accounts = self._accounts.values()
        received, decided = sum(each.received for each in accounts), sum(each.decided for each in accounts)
        self.unbalanced = not self.received == received == decided
        counts = (self.received, self.moved, self.ticks, self.controls, self.skipped)
        log = HourLog(self._first, last, len(accounts), *counts)
        rows = [
            (
                ledger_key(self._partition, self._hour, company),
                account.entry(self._partition, hour, company, log if account is spine else None, self._previous),
            )
            for company, account in sorted(self._accounts.items())
        ]
        self._previous = PreviousHour(hour, hash_hour(rows))
        self.received = self.moved = self.ticks = self.controls = self.skipped = 0
        return rows

    # ---- state

    def _key(self, company: str) -> bytes:
        return b"b" + self._hour.to_bytes(_WORD, "big") + company.encode()

    def writes(self, fence: int) -> Iterator[tuple[bytes, bytes]]:
        """The hour, and by company every account touched since this was last asked."""
        previous = (self._previous.hour, self._previous.hash) if self._previous else None
        counts = (self.received, self.moved, self.ticks, self.controls, self.skipped)
        yield HOUR_KEY, seal(fence, (self._hour, self._first, *counts, previous))
        for company, account in sorted(self.touched.items()):
            account.settle()
            yield self._key(company), seal(fence, account.payload())
        self.touched = {}

    def restore(self, hour: bytes | None, items: Iterable[tuple[bytes, bytes]], fence: int) -> list[bytes]:
        """Take up joined state as of ``fence``: the value of ``HOUR_KEY`` and the accounts; returns the dead keys.

        Where the books are behind the fence, a release without books has folded on: its offsets are a gap.
        """
        if hour is not None:
            self._hour, self._first, *counts, previous = _read_hour(hour)
            self.received, self.moved, self.ticks, self.controls, self.skipped = counts
            self.end = self._hour + HOUR_MS
            self.gap = fence - fence_of(hour)
            self._previous = PreviousHour(*previous) if previous else None
        dead = []
        for key, value in items:
            if not self.is_dead(key):
                self._accounts[key[1 + _WORD :].decode()] = Account.restored(value)
            else:
                dead.append(key)
        return dead

    def is_dead(self, key: bytes) -> bool:
        """Whether an account's key is of another hour than the open one."""
        return int.from_bytes(key[1 : 1 + _WORD], "big") != self._hour
