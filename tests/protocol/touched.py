"""Which keys of the state the log touches, found by the oracle's naive code, and where the changelog falls short of it.

A chunk writes every key that its records touched, also where the value is again what it was (design 2.1, rule 3). So
in the end the joined value of each key that has not expired bears a fence at or past the last raw offset that touched
it, else an older version could win a join. Only keys whose expiry cannot be doubted are asked for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from agents.core.accept.pseudonyms import Pseudonyms
from pipeline.kafka.reader import StoredRecord
from pipeline.proof.oracle.control import Controls
from pipeline.proof.oracle.counting import Books, _activates, _concerns
from pipeline.proof.oracle.form import RawEvent
from pipeline.proof.oracle.judging import Judge
from schemas.catalogue.metrics import Kind, WindowSize
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.times import bounds, parse_time, start_of
from schemas.wire.aggregates import aggregate_id, dimensions_text

__all__ = ["unfenced"]

_EVER = 29_348_006_400_000  # 2900
_USER_DAYS = 33
"""A user's days matter for at least so long after the newest, beside the lateness."""
_AHEAD_DAYS = 1
"""What lies ahead of a company matters for at least so long after the last day of its figures."""
_SLIDING = ("P7D", "P30D")


class _Touching(Judge):
    """The oracle's judge, that also notes at which offset each key was last touched."""

    def __init__(self, deciding: Deciding, partitions: int, pseudonyms: Pseudonyms, controls: Controls) -> None:
        super().__init__(deciding, partitions, "raw", False, None, controls)
        self.pseudonyms = pseudonyms
        self.offset = -1
        self.touched: dict[bytes, int] = {}
        self.sources: dict[bytes, tuple[str, str]] = {}
        self.days: defaultdict[bytes, set[int]] = defaultdict(set)

    def _seen_before(self, event: RawEvent, ahead: bool) -> bool | None:
        """Who reaches this test touches its source, whether it is one or not."""
        key = b"s" + event.company.encode() + b"|" + self.pseudonyms.source(event.company, event.source)
        self.touched[key] = self.offset
        self.sources[key] = event.company, event.source
        return super()._seen_before(event, ahead)

    def _hear(self, event: RawEvent, scope: str, granted: bool, over: bool, known: bool, may_repeat: bool) -> bool:
        """A word that takes effect touches its key; here only where it can be seen to."""
        subject = event.deployment if scope == "platform" else event.base
        name = event.company, scope, subject
        before = vars(self._words[name]).copy() if name in self._words else None
        over = super()._hear(event, scope, granted, over, known, may_repeat)
        if name in self._words and before != vars(self._words[name]):
            mark = self.pseudonyms.source(event.company, subject)
            self.touched[b"c" + event.company.encode() + b"|" + scope[:1].encode() + b"|" + mark] = self.offset
        return over

    def forgotten(self) -> Iterable[bytes]:
        """Keys of sources of which every event that could be repeated is too late."""
        for key, source in self.sources.items():
            if 0 <= self._seen[source].last_time < self.event_watermark - self.deciding.lateness:
                yield key


def _touched(
    log: Sequence[StoredRecord], deciding: Deciding, partitions: int, pseudonyms: Pseudonyms, controls: Controls
) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Of one raw partition the keys of the first hop and of the second, each with the last offset that touched it."""
    judge, books, second = _Touching(deciding, partitions, pseudonyms, controls), Books(deciding), dict[bytes, int]()
    through: dict[str, int] = {}  # sliding windows that end later are no figures, they lie ahead
    for record in log:
        judge.offset, closed, watermark = record.offset, judge.closed, judge.closing_watermark
        for event in judge.read(record, {}):
            books.enter(event, watermark, deciding)
            second.update(dict.fromkeys(_readings(event, deciding, pseudonyms), record.offset))
            if event.consent is None:
                judge.touched[b"p"] = record.offset
            day = event.time // DAY_MS
            if event.user is not None and _activates(event, deciding.catalogue.types[event.type]):
                user = b"a" + event.company.encode() + b"|" + pseudonyms.user(event.company, event.user)
                if day not in judge.days[user]:
                    judge.days[user].add(day)
                    second[user] = second[b"w" + event.company.encode()] = record.offset
                    through[event.company] = max(through.get(event.company, -1), day, watermark // DAY_MS)
        books.end_record(record.offset, closed, watermark)
    oldest = judge.event_watermark - deciding.lateness
    for user, days in judge.days.items():
        if (max(days) + _USER_DAYS) * DAY_MS <= oldest:
            del second[user]
    for company, day in through.items():
        if (day + _AHEAD_DAYS) * DAY_MS <= oldest:
            del second[b"w" + company.encode()]
    for identity, figure in books.figures(_EVER, judge.closed).items():
        end = parse_time(figure["window"]["end"])
        is_pending = figure["window"]["size"] in _SLIDING and end // DAY_MS - 1 > through[figure["company"]]
        if end > oldest and not is_pending:
            second[b"f" + identity.encode()] = figure["revision"] // 2
    for key in [key for key in second if key[:1] == b"g"]:
        _, _, size, start, *_ = key.split(b"|", 4)
        if bounds(WindowSize(size.decode()), parse_time(start.decode()))[1] <= oldest:
            del second[key]
    gone = set(judge.forgotten())
    return {key: offset for key, offset in judge.touched.items() if key not in gone}, second


def _readings(event: RawEvent, deciding: Deciding, pseudonyms: Pseudonyms) -> Iterator[bytes]:
    """The keys of an event's readings, also where a later one holds."""
    for metric in deciding.catalogue.metrics.values():
        if metric.kind is not Kind.GAUGE or not _concerns(metric, event) or metric.field not in event.numbers:
            continue
        told = dimensions_text(metric.dimensions, tuple(event.values[name] for name in metric.dimensions))
        source = pseudonyms.source(event.company, event.base)
        for size in metric.windows:
            start = start_of(size, event.time)
            yield b"g" + aggregate_id(event.company, metric.name, size, start, told).encode() + b"|" + source


def _fences(records: Iterable[StoredRecord]) -> dict[bytes, int]:
    """The greatest fence of each key."""
    found: dict[bytes, int] = {}
    for record in records:
        if record.key and record.value is not None:
            found[record.key] = max(found.get(record.key, -1), int.from_bytes(record.value[:8], "big") - 1)
    return found


def unfenced(
    raw: Sequence[StoredRecord],
    deciding: Deciding,
    partitions: int,
    stored: Callable[[str], list[StoredRecord]],
    pseudonyms: Pseudonyms,
    controls: Callable[[int], Controls],
) -> list[str]:
    """The keys of both changelogs whose joined fence lies before an offset that touched them."""
    told: list[str] = []
    states: dict[str, list[Any]] = {name: stored(name) for name in ("anonymize-state", "aggregate-state")}
    for partition in range(partitions):
        log = [record for record in raw if record.partition == partition]
        keys = _touched(log, deciding, partitions, pseudonyms, controls(partition))
        for (name, state), touched in zip(states.items(), keys, strict=True):
            fences = _fences(record for record in state if record.partition == partition)
            told += [
                f"{name} {key!r} was touched at {offset}, its fence is {fences.get(key)}"
                for key, offset in touched.items()
                if fences.get(key, -1) < offset
            ]
    return told
