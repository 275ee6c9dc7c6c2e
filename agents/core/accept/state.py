"""The state of the first fold, and what one chunk comes to: shared by its record-wise and its fast path."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field

from agents.core.accept.admission import NEW_COMPANY_COST, NewCompanies, SourceBounds
from agents.core.accept.chunk_builder import ChunkBuilder
from agents.core.accept.consent import Consent
from agents.core.accept.expiry import SourceExpiry
from agents.core.accept.form import is_company
from agents.core.accept.ledger import LedgerBuilder, LedgerRow
from agents.core.accept.open_windows import OpenWindows
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.accept.shapes import Shapes
from agents.core.accept.source import Source
from agents.core.accept.sources import Sources
from agents.core.native import declared
from agents.core.shared.control import InForce
from agents.core.shared.entries import read_entry
from agents.core.shared.home import home
from agents.core.shared.joins import seal
from agents.core.shared.records import Move, StateWrite
from agents.core.shared.store import Store
from agents.core.shared.windows import NEVER, day_of
from schemas.bounds import Bound
from schemas.deciding import Deciding
from schemas.names import Pseudonym
from schemas.reasons import Outcome, Reason
from schemas.wire.clean import CleanChunk
from schemas.wire.rejections import Rejection, decode_rejection

__all__ = ["CHUNK_BYTES", "STORED", "Folded", "RawEntry", "RawState"]

CHUNK_BYTES = 4 << 20
"""Of one chunk's state at most, so that it is one record batch."""
_PSEUDONYM = 16
STORED = (b"c", b"s", b"q", b"i")
"""Kinds of keys that stay in a store, where there is one: there are as many as sources and their ids."""
_FORMER_FIELDS = 4
"""Of the entry that fold version 2 wrote."""


@dataclass(slots=True)
class RawEntry:
    """The partition's own entry; every field only grows."""

    fence: int = -1
    event_watermark: int = NEVER
    closing_watermark: int = NEVER
    append_time: int = NEVER
    unknown_withdrew: int = 0
    """1 once a company withdrew for which there was no room: companies unknown until then are closed as they come."""
    seen: int = 0
    """Append time after the last record from which idleness counts, 0 where there is none (design 1.2, "Ticks")."""
    partitions: int = 0
    """Of the topic, which decide what is at home here."""
    in_force: InForce = field(default_factory=InForce)

    def write(self) -> bytes:
        """The value under the entry's key."""
        return seal(self.fence, astuple(self))

    @classmethod
    def read(cls, value: bytes, partitions: int) -> "RawEntry":
        """The inverse of :meth:`write`, of a topic with ``partitions``; raises :class:`StateError`."""
        return read_entry(cls, value, _FORMER_FIELDS, partitions)


RejectedRow = tuple[bytes | None, bytes]
"""Key and value of a rejected record."""


@dataclass(slots=True)
class Folded:
    """What one chunk came to; ``count`` records of those given were folded, ``writes`` ends with the entry.

    ``ledger`` is what the books of the hour before came to, where the chunk begins a new one; ``unbalanced`` says
    that they do not balance.
    """

    count: int
    chunk: CleanChunk
    rejected: list[RejectedRow] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    unbalanced: bool = False
    writes: list[StateWrite] = field(default_factory=list)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    over: Counter[Bound] = field(default_factory=Counter)

    @property
    def rejections(self) -> list[Rejection]:
        """What was refused by name."""
        return [decode_rejection(value) for _, value in self.rejected]


class RawState:
    """Everything that a chunk changes; ``builder``, ``out`` and ``size`` are of the chunk at hand."""

    __slots__ = (
        "books",
        "bounds",
        "builder",
        "consent",
        "deciding",
        "entry",
        "expiry",
        "fast_path_types",
        "most_intervals",
        "new_companies",
        "out",
        "partition",
        "partitions",
        "pending",
        "pseudonyms",
        "shapes",
        "size",
        "sources",
        "store",
        "tombstones",
        "types",
    )

    def __init__(
        self,
        deciding: Deciding,
        pseudonyms: Pseudonyms,
        partition: int,
        partitions: int,
    ) -> None:
        self.deciding = deciding
        self.types = types = deciding.catalogue.accepted
        self.shapes = Shapes(types)
        self.fast_path_types = declared(types)
        """As the compiled part knows them; None where it is not built."""
        self.pseudonyms = pseudonyms
        self.partition = partition
        self.partitions = partitions
        self.entry = RawEntry(partitions=partitions)
        self.sources = Sources(deciding.lateness)
        self.expiry = SourceExpiry(self.sources)
        self.bounds = SourceBounds(deciding, self.sources)
        self.new_companies = NewCompanies(deciding.max_new_companies)
        self.consent = Consent()
        self.books = LedgerBuilder(partition)
        self.pending = OpenWindows(deciding)
        self.tombstones: list[bytes] = []
        self.store: Store | None = None
        self.most_intervals = 0
        self.begin_chunk()

    def attach(self, store: Store) -> None:
        """Leave what is of a kind in ``STORED`` where it is, and read from there what a chunk needs."""
        self.store = store
        self.sources.attach(store)
        self.consent.attach(store)

    def settle(self) -> None:
        """The chunk's writes are made: they go to the store too, and what was not used lately leaves memory."""
        if self.store is not None:
            self.store.write((each.key, each.value) for each in self.out.writes if each.key[:1] in STORED)
            self.sources.settle()
            self.consent.settle()

    def begin_chunk(self) -> None:
        """Nothing folded yet; offsets without a record, such as markers, belong to the chunk behind them."""
        self.builder = ChunkBuilder(self.entry.fence + 1)
        self.out = Folded(0, self.builder.build(0, 0, 0, ""))
        self.size = 0

    def company_of(self, key: bytes) -> str | None:
        """The company of a key that is at home here."""
        if home(key, self.partitions) != self.partition:
            return None
        name = key.decode("ascii", "replace")
        return name if is_company(name) else None

    def admits(self, company: str) -> bool:
        """Whether a company is known, as of the present event, or may be taken in as new."""
        entry, fresh = self.entry, self.new_companies
        if fresh.has(company) or self.consent.count(company.encode()) or self.consent.is_closed(company):
            return True
        if self.sources.knows(company.encode(), entry.event_watermark):
            return True
        if not fresh.admit(company):
            return False
        self.size += NEW_COMPANY_COST + len(company)
        if entry.unknown_withdrew:
            self.size += self.consent.close(company)
        return True

    def base_of(self, company: str, source: str) -> Pseudonym:
        """The pseudonym of the part of a source before ``#``."""
        return self.pseudonyms.source(company, source.partition("#")[0])

    def took(self, count: int, fence: int, stands: tuple[int, int, int], size: int, hours: Iterable[int]) -> None:
        """The fast path has counted ``count`` events up to raw offset ``fence``.

        ``stands`` are append time, event watermark and closing watermark now; ``hours`` are hours since 1970 into which
        events fell, each doubled, and one more where somebody was active.
        """
        entry = self.entry
        entry.fence = fence
        entry.append_time, entry.event_watermark, entry.closing_watermark = stands
        entry.seen = entry.append_time
        self.size = size
        self.books.received += count
        self.out.outcomes[Outcome.COUNTED] += count
        for hour in hours:
            self.pending.fell(hour >> 1, active=bool(hour & 1))

    def remember_id(self, source: Source, company: str, identity: str, time: int) -> int:
        """Put an id in; 0 where it was seen on its day or one beside it, else by how much the state grew."""
        whole = Pseudonym(source.key[-_PSEUDONYM:])
        day, mark = day_of(time), self.pseudonyms.identity(company, whole, identity)
        return 0 if source.knows_id(day, mark) else source.remember(day, mark)

    def add_sequence(self, source: Source, sequence: int) -> int:
        """Put a sequence in; 0 where it was seen or is past the bound of intervals, else by how much the state grew."""
        grown = source.sequences.add_within(sequence, self.deciding.max_intervals)
        self.most_intervals = max(self.most_intervals, source.sequences.count())
        return grown

    def peaks(self) -> dict[Bound, int]:
        """The most that any company was seen to hold of what a bound limits; of new companies how many came today."""
        return {
            Bound.INCARNATIONS: self.bounds.most_incarnations,
            Bound.SOURCES: self.bounds.most_sources,
            Bound.INTERVALS: self.most_intervals,
            Bound.WORDS: self.consent.most_words,
            Bound.NEW_COMPANIES: self.new_companies.count,
        }
