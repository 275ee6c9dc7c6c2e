"""Batches become records: each decompressed when it is asked for, looked at whole, and handed on in bounded parts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from agents.core.native import IS_BUILT, Records, cut
from pipeline.kafka.batch import Batch, Block
from pipeline.kafka.block_records import Headers, Make, unreadable, walk
from pipeline.kafka.codecs import UnreadableError

__all__ = ["AT_ONCE", "HEADER_WEIGHT", "parts", "weight_of"]

AT_ONCE: Final = 20_000
"""Records of a part at most."""
_PART_BYTES: Final = 4 << 20
_WHOLE_BYTES: Final = 256 << 10
"""Up to so many bytes a block's records are made as it is looked at, and not in a second pass."""
HEADER_WEIGHT: Final = 128
"""Of each header of a record beside bytes of key and value: what its objects take, whatever it holds."""


class _Record(Protocol):
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


Made = TypeVar("Made", bound=_Record)


def parts(batches: Iterable[Batch], make: Make[Made], *, is_compiled: bool = IS_BUILT) -> Iterator[Sequence[Made]]:
    """The records of batches in their order, as ``make`` makes them; several small batches come in one part.

    A batch that cannot be read is one record without content. An empty part is a pause, in which a loop may breathe.
    One batch at a time is held uncompressed, and one part. Both forms give the same records.
    """
    return _compiled(batches, make) if is_compiled else _in_python(batches, make)


def _compiled(batches: Iterable[Batch], make: Make[Made]) -> Iterator[Sequence[Made]]:
    held: list[Block] = []
    count = size = 0
    for batch in batches:
        for block in _cut(batch.block()):
            grown = block.end - block.begin
            if held and (count + block.records > AT_ONCE or size + grown > _PART_BYTES):
                yield Records(held, make)
                held, count, size = [], 0, 0
            held.append(block)
            count += max(block.records, 1)
            size += grown
    if held:
        yield Records(held, make)


def _cut(block: Block) -> list[Block]:
    if block.records <= AT_ONCE:
        return [block]
    places = cut(block, AT_ONCE)
    if places is None:
        return [block._replace(records=-1)]
    return [block._replace(begin=begin, end=end, records=number) for begin, end, number in places]


def _in_python(batches: Iterable[Batch], make: Make[Made]) -> Iterator[Sequence[Made]]:
    held: list[Made] = []
    weight = 0
    for batch in batches:
        for record in _read(batch.block(), make):
            if record is None:
                yield ()
                continue
            heavy = weight_of(record)
            if held and (len(held) >= AT_ONCE or weight + heavy > _PART_BYTES):
                yield held
                held, weight = [], 0
            held.append(record)
            weight += heavy
    if held:
        yield held


def _read(block: Block, make: Make[Made]) -> Iterator[Made | None]:
    """The records of a block, all of which is looked at first; None now and then meanwhile."""
    try:
        if block.end - block.begin <= _WHOLE_BYTES:
            found: Iterable[Made] = [*walk(block, make)]
        else:
            for number, _ in enumerate(walk(block, _nothing)):
                if not number % AT_ONCE:
                    yield None
            found = walk(block, make)
    except UnreadableError:
        found = [unreadable(block, make)] if block.last >= block.least else []
    yield from found


def weight_of(record: _Record) -> int:
    """Bytes of key, value and headers, and what objects for each header take, about."""
    headers = sum([HEADER_WEIGHT + len(name.encode()) + len(value or b"") for name, value in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers


def _nothing(*_: object) -> None:
    return None
