"""The first fold: raw records of one partition become a chunk without anything personal (design 2.1).

A pure function of the log: the state after an offset is the same however the log was cut or repeated.
"""

from collections.abc import Iterable, Sequence

from agents.core.accept.controlling import Backlog, Controlling
from agents.core.accept.fallback import Fallback
from agents.core.accept.fast_path import FastPathRun
from agents.core.accept.ledger import HOUR_KEY
from agents.core.accept.open_windows import OpenWindows
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.accept.state import CHUNK_BYTES, STORED, Folded, RawEntry, RawState
from agents.core.accept.verdicts import MOST_REJECTIONS, Verdicts
from agents.core.native import IS_BUILT, Records
from agents.core.shared.control import ControlKeys, Word
from agents.core.shared.joins import ENTRY_KEY, MARK, JoinedLog, StateError, seal, value_reader
from agents.core.shared.records import RawRecord, StateWrite
from agents.core.shared.store import all_but
from schemas.bounds import Bound
from schemas.deciding import Deciding
from schemas.reasons import Outcome

__all__ = ["AnonymizeFold"]

_PENDING_KEY = b"p"
_MOST_TOMBSTONES = 1000
_MOST_SWEPT = 4000
_read_pending = value_reader("the windows that have not closed", list[int])
_KINDS = (*STORED, HOUR_KEY, b"b", b"n")


class AnonymizeFold:
    """The state of one raw partition; nothing else writes it."""

    def __init__(
        self,
        deciding: Deciding,
        pseudonyms: Pseudonyms,
        *,
        topic: str,
        partition: int,
        partitions: int,
        digest: str,
        control: ControlKeys | None = None,
        record_duplicates: bool = False,
    ) -> None:
        """``digest`` is the fold's own, in force where nobody has folded; without ``control`` no tick is genuine."""
        self.is_compiled = IS_BUILT
        """Whether the fast path is the compiled one, where it is built."""
        self._state = RawState(deciding, pseudonyms, partition, partitions)
        self._control = Controlling(self._state, control, topic, partition, digest)
        self._verdicts = Verdicts(self._state, topic, record_duplicates=record_duplicates)
        self._fallback = Fallback(self._state, self._control, self._verdicts)

    @property
    def entry(self) -> RawEntry:
        """How far the partition is folded."""
        return self._state.entry

    @property
    def peaks(self) -> dict[Bound, int]:
        """The most that any company was seen to hold of what a bound limits; of new companies how many came today."""
        return self._state.peaks()

    @property
    def closed_companies(self) -> int:
        """Companies in which only what needs no consent counts."""
        return self._state.consent.closed

    @property
    def digest(self) -> str:
        """The one in force after what is folded."""
        return self._state.entry.in_force.digest

    def restore(self, items: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Take up joined state, in any order; returns the dead keys, which are not taken up.

        Raises :class:`agents.core.shared.joins.StateError`.
        """
        found, state = dict(items), self._state
        if ENTRY_KEY in found:
            state.entry = RawEntry.read(found.pop(ENTRY_KEY), state.partitions)
        if _PENDING_KEY in found:
            state.pending = OpenWindows(state.deciding, tuple(_read_pending(found.pop(_PENDING_KEY))))
        if any(key[:1] not in _KINDS for key in found):
            raise StateError("a key of no known kind")
        state.consent.restore((key, value) for key, value in found.items() if key[:1] == b"c")
        kinds = ((key, value) for key, value in found.items() if key[:1] in {b"s", b"q", b"i"})
        dead = state.sources.restore(kinds, state.entry.event_watermark)
        accounts = ((key, value) for key, value in found.items() if key[:1] == b"b")
        fresh = (key for key in found if key[:1] == b"n")
        dead += state.new_companies.restore(fresh, state.entry.append_time)
        dead += state.books.restore(found.get(HOUR_KEY), accounts, state.entry.fence)
        state.tombstones.extend(dead)
        return dead

    def restore_from(self, joined: JoinedLog) -> None:
        """As :meth:`restore`; sources and words of consent stay in the store, where the joined state has one."""
        if joined.store is None:
            self.restore(joined.items())
        else:
            self.restore(all_but(joined.store, (*STORED, MARK)))
            self._state.attach(joined.store)

    def is_dead(self, key: bytes, value: bytes) -> bool:
        """Whether a key of the joined state has expired."""
        if key[:1] == b"b":
            return self._state.books.is_dead(key)
        if key[:1] == b"n":
            return self._state.new_companies.is_dead(key)
        return self._state.expiry.is_dead(key, value, self.entry.event_watermark)

    def entry_write(self) -> StateWrite:
        """The entry, to be written before a partition's first output, and as the last record of every batch."""
        return StateWrite(ENTRY_KEY, self.entry.write())

    def begin_under(self, digest: str) -> None:
        """Of a partition that nobody has folded: which digest is in force there, where it is not the fold's own."""
        self._control.begin_under(digest)

    def learn(self) -> bool:
        """Complete what is in force, where another release went over to this one's digest; whether that changed it."""
        return self._control.learn()

    def backlog(self) -> Backlog:
        """To look for the control record that brings the fold's own digest, from the present state on."""
        return self._control.backlog()

    def tick_due(self, now: int, since: int) -> bool:
        """Whether a tick appended at ``now`` would close a window into which events fell, or a calendar month.

        ``now`` is broker time in ms; ``since`` that of the assignment, from which idleness counts where no record says.
        """
        return self._control.tick_due(now, since)

    def tick(self) -> bytes:
        """The text of a tick's header that would count now."""
        return self._control.tick()

    def skip_to(self, first: int) -> None:
        """Go on at raw offset ``first`` although events before it are lost."""
        self._state.books.gap += max(0, first - 1 - self.entry.fence)
        self.entry.fence = max(self.entry.fence, first - 1)

    def fold(self, records: Sequence[RawRecord]) -> Folded:
        """Fold a chunk: as many of the records (above the fence, in order) as fit; at least one.

        A control record that takes effect is a chunk of its own, after which ``digest`` is the announced one. A chunk
        never spans two hours of append time: one that begins an hour closes the books of the hour before.
        """
        state, entry = self._state, self.entry
        state.begin_chunk()
        self._verdicts.begin_chunk()
        self._begin_books(records[0])
        out, at = state.out, 0
        fast = FastPathRun(state, records) if self.is_compiled else None
        while at < len(records) and state.size < CHUNK_BYTES and len(out.rejected) < MOST_REJECTIONS:
            at, taken = (at, 0) if fast is None else fast.run(at)
            if at == len(records) or (state.size >= CHUNK_BYTES and not taken):
                break
            if refused := self._fold_refused(records, at):
                at += refused
                continue
            record = records[at]
            control = self._control.read(record) if record.headers else None
            announces = control is not None and control.word is Word.FOLD
            if at and (announces or record.append_time >= state.books.end):
                break
            at += 1
            entry.append_time = max(entry.append_time, record.append_time)
            entry.fence = record.last
            self._fallback.fold(record, taken, control)
            if announces:
                break
        self._verdicts.end_chunk()
        out.count = at
        watermarks = entry.event_watermark, entry.closing_watermark
        out.chunk = state.builder.build(entry.fence, *watermarks, self.digest, entry.in_force.number)
        self._write()
        return out

    def _begin_books(self, record: RawRecord) -> None:
        state, books = self._state, self._state.books
        now = max(self.entry.append_time, record.append_time)
        state.out.ledger = books.begin(now, self.entry.fence, state.tombstones)
        state.new_companies.begin_day(now, state.tombstones)
        state.out.unbalanced = books.unbalanced

    def _fold_refused(self, records: Sequence[RawRecord], at: int) -> int:
        """Records from index ``at`` on of which it is known at once that each is one refusal; how many they are.

        The first of a chunk is left to the record-wise fold, since the state grows with it.
        """
        if not (self.is_compiled and isinstance(records, Records) and self._verdicts.has_nameless):
            return 0
        entry, most = self.entry, MOST_REJECTIONS - len(self._state.out.rejected)
        offsets, found = records.refused(at, entry.append_time, most)
        if offsets:
            self._state.books.received += len(offsets)
            self._verdicts.begin(offsets[0], entry.append_time)
            self._verdicts.refuse_records(offsets, found)
            entry.fence = offsets[-1]
        return len(offsets)

    # ---- state batch

    def _write(self) -> None:
        """What changed as one batch: every value with the present fence, some deletions, the entry last."""
        state, entry, writes = self._state, self.entry, dict[bytes, bytes | None]()
        if len(state.tombstones) < _MOST_TOMBSTONES:
            state.tombstones += state.expiry.drop_expired(entry.event_watermark, _MOST_SWEPT)
        deleted, state.tombstones = state.tombstones[:_MOST_TOMBSTONES], state.tombstones[_MOST_TOMBSTONES:]
        writes.update((key, None) for key in deleted if not state.expiry.is_known_again(key, entry.event_watermark))
        writes.update(state.new_companies.writes(entry.fence))
        writes.update(state.consent.writes(entry.fence))
        writes.update(state.sources.writes(entry.fence))
        writes.update(state.books.writes(entry.fence))
        if state.out.outcomes[Outcome.COUNTED]:
            writes[_PENDING_KEY] = seal(entry.fence, state.pending.above(entry.closing_watermark))
        state.out.writes = [StateWrite(key, value) for key, value in writes.items()]
        state.out.writes.append(StateWrite(ENTRY_KEY, entry.write()))
        state.settle()
