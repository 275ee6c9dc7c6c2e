"""Both forms of a fold over records, and of grouping a chunk, compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from agents.core.accept import fast_path
from agents.core.accept import fold as accept_fold
from agents.core.accept.fast_decode import reader_of
from agents.core.accept.fold import AnonymizeFold
from agents.core.count.pre_aggregate import pre_aggregate, pre_aggregate_in_python
from agents.core.shared.records import RawRecord
from schemas.catalogue.catalogue import BUILT_IN
from schemas.deciding import Deciding
from schemas.wire.clean import CleanChunk, decode_chunk, encode_chunk
from tests.control_kit import KEYS, PSEUDONYMS, TOPIC, digest_of
from tests.core.random_log import BOUNDED, DECIDING
from tests.meters import EVERY_FIELD

__all__ = ["CATALOGUES", "DECODERS", "PLACES", "DifferenceError", "Folds", "alike", "answer", "group"]

PLACES: Final = ((Deciding(), 1), (DECIDING, 2), (BOUNDED, 2), (replace(BOUNDED, partitions=1), 1))
_DIGESTS: Final = {id(deciding): digest_of(deciding) for deciding, _ in PLACES}
CATALOGUES: Final = (BUILT_IN, EVERY_FIELD)
DECODERS: Final = tuple(reader_of(each).decode for each in CATALOGUES)


class DifferenceError(AssertionError):
    """Both forms of something came to other answers."""


def alike(what: str, compiled: object, wanted: object) -> None:
    if compiled != wanted:
        raise DifferenceError(f"{what}: compiled {compiled!r}, in Python {wanted!r}")


def answer(asked: Callable[[], Any], *errors: type[Exception]) -> Any:
    """What it returns, or which of these errors it raises."""
    try:
        return asked()
    except errors as error:
        return next(each for each in errors if isinstance(error, each))


_OUTCOME: Final = (
    "count", "chunk", "writes", "rejected", "moves", "ledger", "outcomes", "reasons", "over", "unbalanced",
)  # fmt: skip
_OF: Final = attrgetter(*_OUTCOME)


class Folds:
    """The first fold in both forms, over a partition of a log that begins."""

    def __init__(
        self, deciding: Deciding, partition: int, partitions: int, catalogue: int, size: int, most: int
    ) -> None:
        self._deciding = replace(deciding, catalogue=CATALOGUES[catalogue])
        self._digest = _DIGESTS[id(deciding)]
        self._place = {"partition": partition, "partitions": partitions}
        self._size = size
        accept_fold.CHUNK_BYTES = fast_path.CHUNK_BYTES = most

    def compare(self, given: Sequence[RawRecord], records: Sequence[RawRecord]) -> None:
        """``given`` is folded compiled, ``records`` in Python; then the chunks are grouped in both forms."""
        wanted = self._outcome(records, compiled=False)
        found = self._outcome(given, compiled=True)
        alike("chunks", [encode_chunk(each[1]) for each in found], [encode_chunk(each[1]) for each in wanted])
        for one, other in zip(found, wanted, strict=True):
            for what, got, want in zip(_OUTCOME, one, other, strict=True):
                alike(what, got, want)
        for _, chunk, *_ in wanted:
            shapes = len(chunk.shapes)
            alike("a chunk", decode_chunk(encode_chunk(chunk)), chunk)
            group(chunk, 0, len(chunk.offsets), b"\1\0" * shapes, b"\0\1" * shapes)

    def _outcome(self, records: Sequence[RawRecord], *, compiled: bool) -> list[Any]:
        fold = AnonymizeFold(
            self._deciding,
            PSEUDONYMS,
            topic=TOPIC,
            digest=self._digest,
            control=KEYS,
            record_duplicates=True,
            **self._place,
        )
        fold.is_compiled = compiled
        found = []
        while records:
            folded = fold.fold(records[: self._size])
            records = records[folded.count :]
            found.append(_OF(folded))
        return found


def group(chunk: CleanChunk, begin: int, end: int, active: bytes, installs: bytes) -> None:
    active, installs = active[: len(chunk.shapes)], installs[: len(chunk.shapes)]
    wanted: object = TypeError if end > len(chunk.offsets) else ValueError if begin < 0 else None
    if begin > 0 and any(shape >= len(chunk.shapes) for shape in chunk.shape[:begin]):
        wanted = IndexError  # nothing says where the measures of the first event begin
    if wanted is None:
        bounds = (
            (chunk.times, 0, 1 << 52),
            (chunk.company, 0, len(chunk.companies)),
            (chunk.shape, 0, len(chunk.shapes)),
            (chunk.user, -1, len(chunk.users)),
            (chunk.source, 0, len(chunk.sources)),
        )
        fine = all(least <= each < most for column, least, most in bounds for each in column[begin:end])
        wanted = pre_aggregate_in_python(chunk, begin, end, active, installs) if fine else IndexError
    found = answer(lambda: pre_aggregate(chunk, begin, end, active, installs), TypeError, ValueError, IndexError)
    alike("groups", found, wanted)
