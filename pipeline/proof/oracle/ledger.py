"""The books that a correct pipeline has written: the outcomes of every hour in a list, added up at the end."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from schemas.limits import HOUR_MS
from schemas.reasons import Outcome, Reason
from schemas.times import instant
from schemas.wire.ledger import (
    COUNTED,
    OUTCOME_CODES,
    REJECTED_ORDER,
    HourLog,
    LedgerEntry,
    PreviousHour,
    digest_outcomes,
    encode_entry,
    hash_hour,
    ledger_key,
    pack_outcome,
)

__all__ = ["Outcomes", "hours_of"]

Outcomes = list[tuple[str, int]]
"""Of each event of a record in order: its company, "" where none is known, and the code of what became of it."""


@dataclass
class _Hour:
    first: int
    last: int = -1
    outcomes: list[tuple[int, str, int]] = field(default_factory=list)
    kinds: Counter[Outcome] = field(default_factory=Counter)


def hours_of(
    partition: int, records: list[tuple[int, int, int, Outcome, Outcomes]]
) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Key to entry of every closed hour of one partition, and of the open one, as it would be if it closed now.

    ``records`` are (raw offset, last offset that it stands for, append time, what kind of record, outcomes) in order
    of offset.
    """
    hours: dict[int, _Hour] = {}
    now, after = -1, 0
    for offset, last_offset, append_time, kind, outcomes in records:
        now = max(now, append_time)
        hour = hours.setdefault(now - now % HOUR_MS, _Hour(after))
        hour.last, after = last_offset, last_offset + 1
        hour.kinds[kind] += 1
        hour.outcomes += [(offset, company, code) for company, code in outcomes]
    closed: dict[bytes, bytes] = {}
    last: dict[bytes, bytes] = {}
    previous: PreviousHour | None = None
    for start, hour in sorted(hours.items()):
        closed |= last
        last = _entries(partition, start, hour, previous)
        previous = PreviousHour(instant(start), hash_hour(last.items()))
    return closed, last


def _entries(partition: int, start: int, hour: _Hour, previous: PreviousHour | None) -> dict[bytes, bytes]:
    companies = {company for _, company, _ in hour.outcomes} | {""}
    kinds = (hour.kinds[Outcome.MOVED], hour.kinds[Outcome.TICK], hour.kinds[Outcome.CONTROL])
    log = HourLog(hour.first, hour.last, len(companies), len(hour.outcomes), *kinds, 0)
    found = {}
    for company in companies:
        mine = [(offset, code) for offset, whose, code in hour.outcomes if whose == company]
        codes = Counter(code for _, code in mine)
        chain, rest = digest_outcomes(b"", b"".join(pack_outcome(offset, code) for offset, code in mine))
        entry = LedgerEntry(
            partition=partition,
            hour=instant(start),
            company=company or None,
            received=len(mine),
            counted=codes[COUNTED],
            duplicate=codes[OUTCOME_CODES[Reason.DUPLICATE]],
            rejected={
                reason: codes[OUTCOME_CODES[reason]] for reason in REJECTED_ORDER if codes[OUTCOME_CODES[reason]]
            },
            first=mine[0][0] if mine else None,
            last=mine[-1][0] if mine else None,
            outcomes=hashlib.sha256(chain + rest).hexdigest(),
            log=None if company else log,
            previous=previous,
        )
        found[ledger_key(partition, start, company)] = encode_entry(entry)
    return found
