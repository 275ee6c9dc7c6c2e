"""How the state of the counting fold is written: keys, values and the partition's own entry.

=====================================  ===============================================================
key                                    payload of the value (MessagePack after 8 bytes ``fence + 1``)
=====================================  ===============================================================
``ENTRY_KEY`` of ``joins``               the entry: an array of fields that only grow, joined field by field, maxima
``f`` + aggregate id                   a figure: [value (as text past 63 bits), raw offset of the last change,
                                       corrected]; of a gauge the number of readings more, of a distribution sum,
                                       least and greatest
``m`` + aggregate id + ``|`` + source  a source that a distinct figure has counted: nil
``g`` + aggregate id + ``|`` + source  a reading of a gauge, dimensions as sent: see :mod:`.kinds.gauges`
``d`` + aggregate id + ``|`` + number  bins of a distribution: see :mod:`.kinds.distributions`
``a`` + company + ``|`` + pseudonym    a user's active days: [newest day, mask]
``x`` + company                        see :mod:`agents.core.count.company_bounds`
``w`` + company                        sliding windows ahead: [through, {metric | size: [run]}], a run being
                                       [first last day, day past it, value, raw offset of the last change]
=====================================  ===============================================================

Every key names its expiry: figures and sources by their window, users by their newest day in the value, what lies ahead
by the last of its windows.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field

from agents.core.count.company_bounds import newest_day
from agents.core.count.kinds.activity import days_kept, read_days
from agents.core.count.pending_windows import Run, read_pending
from agents.core.shared.control import InForce
from agents.core.shared.entries import read_entry
from agents.core.shared.joins import ENTRY_KEY, StateError, seal, value_reader
from agents.core.shared.windows import NEVER, Span, parse_instant, span_of
from schemas.catalogue.metrics import WindowSize
from schemas.deciding import Deciding, deciding_part
from schemas.limits import DAY_MS
from schemas.wire.clean import CleanChunk

__all__ = [
    "Entry",
    "Named",
    "StateError",
    "alive",
    "identity_in",
    "is_expired",
    "name_of",
    "pending_expired",
    "read_figure",
    "read_nothing",
    "span_expired",
]

_read_parts = value_reader("a figure", list[int | str | bool])
_FIGURE_PARTS = 3
"""The fewest."""
read_nothing = value_reader("a source that a figure has counted", type(None))
_FORMER_FIELDS = 8
"""Of the entry that fold version 2 wrote."""


@dataclass(slots=True)
class Entry:
    """How far the partition is folded and emitted; every field only grows.

    ``fence`` is the last raw offset folded, ``clean_next`` the next offset to read of ``clean``; the
    ``emitted`` fields are fence and watermarks of the last state of which everything is in the sink;
    ``sink_next`` is the sink offset from which a recovery mends. ``in_force`` holds of each digest the part that this
    fold knows; where a first one came by a control record, "" stands for the unknown one before.
    """

    fence: int = -1
    event_watermark: int = NEVER
    closing_watermark: int = NEVER
    clean_next: int = 0
    emitted_fence: int = -1
    emitted_event_watermark: int = NEVER
    emitted_closing_watermark: int = NEVER
    sink_next: int = 0
    partitions: int = 0
    in_force: InForce = field(default_factory=InForce)

    def write(self) -> bytes:
        """The value under the entry's key."""
        return seal(self.fence, astuple(self))

    @classmethod
    def read(cls, value: bytes, partitions: int) -> "Entry":
        """The inverse of :meth:`write`, of topics with ``partitions``; raises :class:`StateError`."""
        return read_entry(cls, value, _FORMER_FIELDS, partitions)

    def follow(self, chunk: CleanChunk) -> None:
        """Take over the digest that is in force after a chunk."""
        part = deciding_part(chunk.digest)
        if part == self.in_force.digest:
            return
        before = self.in_force
        if not before.digests and chunk.number:
            before = before.after("")
        self.in_force = before.after(part, number=chunk.number)


@dataclass(frozen=True, slots=True)
class Named:
    """A figure by its aggregate id, taken apart; ``anchor`` is as in :mod:`agents.core.shared.windows`."""

    company: str
    metric: str
    size: WindowSize
    anchor: int
    values: tuple[str, ...]


def name_of(identity: str) -> Named:
    """Take an aggregate id apart; raises :class:`StateError` where it is none."""
    try:
        company, metric, word, start, dimensions = identity.split("|")
        size = WindowSize(word)
        anchor = parse_instant(start) + ((size.sliding_days or 1) - 1) * DAY_MS
    except ValueError:
        raise StateError("no aggregate id") from None
    values = tuple([pair.partition("=")[2] for pair in dimensions.split(",")]) if dimensions else ()
    return Named(company, metric, size, anchor, values)


def span_expired(span: Span, entry: Entry, deciding: Deciding) -> bool:
    """Whether no legal event can fall into the window any more, and that it closed is in the sink.

    A figure of it is to be kept for as long as its last change is not: with another lateness than that under which the
    change was folded it may be too late at once.
    """
    return (
        span.end <= entry.emitted_event_watermark - deciding.lateness and span.closes <= entry.emitted_closing_watermark
    )


def pending_expired(last_day: int, last_change: int, entry: Entry, deciding: Deciding) -> bool:
    """Whether all windows ahead of a company have expired, of which the last ends with ``last_day``."""
    span = span_of(WindowSize.DAY, last_day * DAY_MS, deciding)  # closes as the sliding windows that end with it
    return span_expired(span, entry, deciding) and last_change <= entry.emitted_fence


def is_expired(key: bytes, value: bytes, entry: Entry, deciding: Deciding) -> bool:
    """Whether recovery drops the key, whatever its last record says; the entry itself never expires."""
    kind = key[:1]
    if kind == b"a":
        newest, _ = read_days(value)
        return newest < (entry.event_watermark - deciding.lateness) // DAY_MS - days_kept(deciding)
    if kind == b"x":
        return newest_day(value) < (entry.closing_watermark - deciding.lateness) // DAY_MS
    if kind == b"w":
        through, of_slides = read_pending(value)
        runs: list[Run] = [run for found in of_slides.values() for run in found]
        last_day = max([through, *(run.end - 1 for run in runs)])
        return pending_expired(last_day, max((run.last for run in runs), default=-1), entry, deciding)
    if kind in {b"f", b"m", b"g", b"d"}:
        named = name_of(identity_in(key))
        over = span_expired(span_of(named.size, named.anchor, deciding), entry, deciding)
        return over and (kind != b"f" or read_figure(value)[1] <= entry.emitted_fence)
    return False


def identity_in(key: bytes) -> str:
    """The aggregate id in a key of a figure, or of what is held beside it."""
    return b"|".join(key[1:].split(b"|", 5)[:5]).decode()


def read_figure(value: bytes) -> tuple[int, int, bool, tuple[int, ...]]:
    """Of a figure's value in the state: its value, raw offset of the last change, whether it was corrected, more."""
    parts = _read_parts(value)
    if len(parts) >= _FIGURE_PARTS and type(parts[2]) is bool:
        figure, last, corrected, *more = parts
        if type(figure) is not bool and all(type(number) is int for number in (last, *more)):
            try:
                return int(figure), int(last), bool(corrected), tuple(map(int, more))
            except ValueError:
                pass
    raise StateError("a figure has another shape")


def alive(items: Iterable[tuple[bytes, bytes]], deciding: Deciding) -> tuple[Entry, dict[bytes, bytes], list[bytes]]:
    """The entry, the other keys that have not expired, and those that have.

    Raises :class:`StateError` where there are keys without an entry.
    """
    found = dict(items)
    if ENTRY_KEY not in found:
        if found:
            raise StateError("state without the partition's entry")
        return Entry(partitions=deciding.partitions), {}, []
    entry = Entry.read(found.pop(ENTRY_KEY), deciding.partitions)
    expired = [key for key, value in found.items() if is_expired(key, value, entry, deciding)]
    for key in expired:
        del found[key]
    return entry, found, expired
