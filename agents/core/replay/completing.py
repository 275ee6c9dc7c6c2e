"""Filling in, from raw, the fields that clean did not hold yet when a chunk was written (replay).

Which events counted is what the chunk says; a raw record only adds fields to them. An event is filled in where it is
certain which of the record's events it is, and left as it is where it is not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from agents.core.accept.fast_decode import reader_of
from agents.core.accept.pseudonyms import Pseudonyms
from agents.core.shared.records import Decoded, Event, RawRecord, Refusal
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.types import EventType
from schemas.reasons import Reason
from schemas.wire.clean import CleanChunk, Shape

__all__ = ["completed", "is_short", "offsets_needed"]

Types = Mapping[str, EventType]
_Sight = tuple[str, str, tuple[str, ...], int, bytes | None, bytes]
"""What a chunk tells of an event: company, type, values, time, the pseudonyms of user and source."""


def is_short(shape: Shape, types: Types) -> bool:
    """Whether it was written when fewer fields of its type were allowed than are now."""
    return shape.type in types and len(shape.values) < len(types[shape.type].allowed)


def offsets_needed(chunk: CleanChunk, fence: int, types: Types) -> list[int]:
    """Raw offsets above ``fence`` of events with a short shape, in order, each once."""
    short = [is_short(shape, types) for shape in chunk.shapes]
    if not any(short):
        return []
    rows = zip(chunk.offsets, chunk.shape, strict=True)
    return list(dict.fromkeys([offset for offset, shape in rows if short[shape] and offset > fence]))


def completed(
    chunk: CleanChunk,
    records: Mapping[int, RawRecord],
    pseudonyms: Pseudonyms,
    catalogue: Catalogue,
) -> CleanChunk:
    """The chunk with the shapes of today wherever the raw ``records`` (by offset) tell them for certain."""
    types, decode = catalogue.types, reader_of(catalogue).decode
    numbers = {shape: number for number, shape in enumerate(chunk.shapes)}
    column = chunk.shape[:]
    short = [is_short(shape, types) for shape in chunk.shapes]
    by_record: dict[int, list[int]] = defaultdict(list)
    for at, offset in enumerate(chunk.offsets):
        if short[chunk.shape[at]] and offset in records:
            by_record[offset].append(at)
    for offset, rows in by_record.items():
        decoded = decode(records[offset])
        for at, values in _filled(chunk, rows, decoded, pseudonyms, types):
            shape = Shape(chunk.shapes[chunk.shape[at]].type, values)
            column[at] = numbers.setdefault(shape, len(numbers))
    return msgspec.structs.replace(chunk, shapes=list(numbers), shape=column)


def _filled(
    chunk: CleanChunk, rows: Sequence[int], decoded: Decoded, pseudonyms: Pseudonyms, types: Types
) -> Iterable[tuple[int, tuple[str, ...]]]:
    """(row, values of today) of the rows of one raw record that are certain."""
    alike: dict[_Sight, list[int]] = defaultdict(list)
    for at in rows:
        alike[_sight(chunk, at)].append(at)
    lengths = {(sight[1], len(sight[2])) for sight in alike}
    if any(_was_good(decoded, types[kind].allowed[known:]) for kind, known in lengths):
        return
    candidates = _candidates(decoded.events, lengths, pseudonyms)
    for sight, counted in alike.items():
        found = candidates.get(sight, [])
        if len(found) == len(counted) or (len(found) > len(counted) and len(set(found)) == 1):
            yield from zip(counted, found, strict=False)


def _sight(chunk: CleanChunk, at: int) -> _Sight:
    shape, user = chunk.shapes[chunk.shape[at]], chunk.user[at]
    company, source = chunk.companies[chunk.company[at]], chunk.sources[chunk.source[at]]
    return company, shape.type, shape.values, chunk.times[at], chunk.users[user] if user >= 0 else None, source


def _was_good(decoded: Decoded, added: Sequence[str]) -> bool:
    """Whether an event may have been well-formed before the ``added`` fields were asked for: it may have counted."""
    return any(
        type(item) is Refusal
        and item.reason in {Reason.BAD_FIELD, Reason.TOO_LARGE}
        and item.at.rpartition("/data/")[2] in added
        for item in decoded.items
    )


def _candidates(
    events: Iterable[Event], lengths: Iterable[tuple[str, int]], pseudonyms: Pseudonyms
) -> dict[_Sight, list[tuple[str, ...]]]:
    """By sight the values of today of the events that may be meant, in raw order.

    Of two alike with one identity the first decides: if it did not count, the second did not either.
    """
    found: dict[_Sight, list[tuple[str, ...]]] = defaultdict(list)
    seen = set()
    for event in events:
        for kind, known in lengths:
            if event.type != kind:
                continue
            user = None if event.user is None else bytes(pseudonyms.user(event.company, event.user))
            source = bytes(pseudonyms.source(event.company, event.source.partition("#")[0]))
            sight = (event.company, kind, event.values[:known], event.time, user, source)
            identity = (sight, event.source, event.id if event.sequence is None else event.sequence)
            if identity not in seen:
                seen.add(identity)
                found[sight].append(event.values)
    return found
