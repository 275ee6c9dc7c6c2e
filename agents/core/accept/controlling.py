"""What the first fold makes of ticks and control records, and when a tick is due (design 1.2, 1.7)."""

from collections.abc import Iterable

from agents.core.accept.state import RawState
from agents.core.shared.control import ControlKeys, ControlReader, Found, InForce, Word
from agents.core.shared.records import RawRecord
from schemas.deciding import Deciding
from schemas.reasons import Outcome
from schemas.times import month_of

__all__ = ["Backlog", "Controlling", "last_month_closed"]


class Backlog:
    """What lies ahead of a place in a raw partition, up to the control record that brings a digest.

    ``brings`` is that record's offset, None before it was found; ``others`` counts the records before it that are
    neither ticks nor control records.
    """

    def __init__(self, reader: ControlReader, in_force: InForce, digest: str) -> None:
        self.brings: int | None = None
        self.others = 0
        self.in_force = in_force
        """After the last record taken."""
        self._reader = reader
        self._digest = digest

    def scan(self, records: Iterable[RawRecord]) -> bool:
        """Look at the next records; whether the one that brings the digest is found, after which none is looked at."""
        for record in records:
            found = self._reader.read(record, self.in_force, -1)  # whether a tick counts does not matter here
            if found is None or found.word is Word.FORGED:
                self.others += 1
            elif found.word is Word.FOLD:
                self.in_force = self.in_force.after(found.digest)
                if found.digest == self._digest:
                    self.brings = record.offset
                    return True
        return False


class Controlling:
    """Of one partition's fold: reads control records against its state, and applies them to that."""

    __slots__ = ("_keys", "_own", "_partition", "_reader", "_state", "_topic")

    def __init__(self, state: RawState, keys: ControlKeys | None, topic: str, partition: int, digest: str) -> None:
        self._state = state
        self._keys = keys
        self._topic = topic
        self._partition = partition
        self._own = digest
        self._reader = ControlReader(keys, topic, partition)
        self.begin_under(digest)

    def begin_under(self, digest: str) -> None:
        """Of a partition that nobody has folded: the digest in force there."""
        idle_after = self._state.deciding.idle_after if digest == self._own else -1
        self._state.entry.in_force = InForce(0, idle_after, (digest,))

    def learn(self) -> bool:
        """Under its own digest the fold knows what the release before it could not; whether it did not know it yet."""
        entry, idle_after = self._state.entry, self._state.deciding.idle_after
        if entry.in_force.digest != self._own or entry.in_force.idle_after == idle_after:
            return False
        entry.in_force = entry.in_force._replace(idle_after=idle_after)
        return True

    def backlog(self) -> Backlog:
        """To look for the record that brings the fold's own digest, from the present state on."""
        return Backlog(self._reader, self._state.entry.in_force, self._own)

    def read(self, record: RawRecord) -> Found | None:
        """What the next record is, None where it is for the events' fold."""
        entry = self._state.entry
        return self._reader.read(record, entry.in_force, entry.seen)

    def apply(self, found: Found) -> None:
        """Apply a genuine tick or control record, stale ones too; its append time and offset are in the entry."""
        entry, books, outcomes = self._state.entry, self._state.books, self._state.out.outcomes
        is_tick = found.word in {Word.TICK, Word.STALE_TICK}
        outcomes[Outcome.TICK if is_tick else Outcome.CONTROL] += 1
        books.ticks += is_tick
        books.controls += not is_tick
        if found.word is Word.TICK:
            entry.closing_watermark = max(entry.closing_watermark, entry.append_time - self._idle_after)
            entry.seen = entry.append_time
        elif found.word is Word.FOLD:
            known = self._state.deciding.idle_after if found.digest == self._own else -1
            entry.in_force = entry.in_force.after(found.digest, known)
            entry.seen = entry.append_time

    @property
    def _idle_after(self) -> int:
        """Of the digest in force: a release that folds its way to its own record may find ticks of the one before."""
        known = self._state.entry.in_force.idle_after
        return known if known >= 0 else self._state.deciding.idle_after

    def tick_due(self, now: int, since: int) -> bool:
        """Whether a tick appended at ``now`` would close something; see :meth:`AnonymizeFold.tick_due`."""
        entry, deciding = self._state.entry, self._state.deciding
        would_be = now - deciding.idle_after
        if self._keys is None or would_be < (entry.seen or since):
            return False
        if entry.closing_watermark < last_month_closed(would_be, deciding) <= would_be:
            return True
        pending = self._state.pending.above(entry.closing_watermark)
        return bool(pending) and pending[0] <= would_be

    def tick(self) -> bytes:
        """The text of a tick's header that would count now."""
        if self._keys is None:
            raise ValueError("a tick needs the control key")
        entry = self._state.entry
        return self._keys.tick(self._topic, self._partition, entry.seen, entry.in_force.digest)


def last_month_closed(time: int, deciding: Deciding) -> int:
    """End plus grace of the last calendar month for which that is at or before ``time``, ms."""
    return month_of(time - deciding.grace_day)[0] + deciding.grace_day
