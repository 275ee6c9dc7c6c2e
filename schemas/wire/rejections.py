"""The rejected record (design 1.4): why an event was not counted, and nothing of its content."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from schemas.reasons import Reason
from schemas.times import INSTANT
from schemas.wire.forms import form_reader, whole

__all__ = [
    "MOST_NAMED",
    "Rejection",
    "Template",
    "decode_rejection",
    "encode_rejection",
    "rejection_schema",
    "with_more",
]

MOST_NAMED: Final = 100
"""Rejections of one raw record that are written; the last of them tells how many more there were."""
SourceMark = Annotated[str, msgspec.Meta(pattern=whole("[0-9a-f]{16}"))]
Instant = Annotated[str, msgspec.Meta(pattern=whole(rf"{INSTANT[:-1]}\.[0-9]{{3}}Z"))]


class Rejection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Why an event or a whole record of the raw topic was not counted.

    ``path`` is a JSON pointer of array indices and the contract's own names, beginning with the event's index
    in batch mode and empty for a whole record. ``company`` and ``source`` (the first 16 hex digits of its keyed
    pseudonym) are None unless form and key are right. ``received`` is the append time, RFC 3339 UTC with
    milliseconds. ``more`` stands in the hundredth rejection of a raw record alone, where more follow that are not
    written: how many (the ledger holds all by reason). (topic, partition, offset, path, reason) identifies a rejection;
    repeats are equal.
    """

    topic: str
    partition: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]
    reason: Reason
    path: Annotated[str, msgspec.Meta(pattern=whole("(/[A-Za-z0-9]+)*"))]
    company: str | None
    source: SourceMark | None
    received: Instant
    more: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET

    @property
    def verdict(self) -> tuple[int, int, str, Reason, int]:
        """What two readings of a log must agree on: (partition, offset, path, reason, how many more, or 0)."""
        more = 0 if self.more is msgspec.UNSET else self.more
        return self.partition, self.offset, self.path, self.reason, more


_encoder = msgspec.json.Encoder()
_read = form_reader("a rejection", msgspec.json.Decoder(Rejection).decode)
_REASONS: Final = {reason: b',"reason":"%b","path":"' % reason.encode() for reason in Reason}


def encode_rejection(rejection: Rejection) -> bytes:
    """The JSON of ``rejection``, the same bytes for equal rejections."""
    return _encoder.encode(rejection)


class Template:
    """Rejections of one partition and append time for form alone: the bytes that :func:`encode_rejection` gives."""

    __slots__ = ("_after", "_before")

    def __init__(self, topic: str, partition: int, received: str) -> None:
        sample = Rejection(topic, partition, 0, Reason.NOT_JSON, "", None, None, received)
        self._before, _, after = _encoder.encode(sample).partition(b'0,"reason":"not-json","path":"",')
        self._after = b'",' + after

    def encode(self, offset: int, reason: Reason, path: str) -> bytes:
        """One rejection."""
        return b"%b%d%b%b%b" % (self._before, offset, _REASONS[reason], path.encode(), self._after)

    def encode_alike(self, offset: int, reason: Reason, indexes: Iterable[int], at: str) -> list[bytes]:
        """Rejections of events of one batch, by their indexes, each for the same thing ``at`` the same place in it."""
        before, after = b"%b%d%b/" % (self._before, offset, _REASONS[reason]), at.encode() + self._after
        return [b"%b%d%b" % (before, index, after) for index in indexes]

    def encode_each(self, offsets: Iterable[int], found: bytes, faults: Sequence[tuple[Reason, str]]) -> list[bytes]:
        """One rejection at each offset, ``found`` telling which of the faults it is."""
        ends = [b"%b%b%b" % (_REASONS[reason], path.encode(), self._after) for reason, path in faults]
        before = self._before
        return [b"%b%d%b" % (before, offset, ends[fault]) for offset, fault in zip(offsets, found, strict=True)]


def with_more(encoded: bytes, more: int) -> bytes:
    """An encoded rejection without ``more``, with it."""
    return b'%b,"more":%d}' % (encoded[:-1], more)


def decode_rejection(data: bytes) -> Rejection:
    """The rejection in ``data``; raises :class:`schemas.wire.forms.UnknownFormError` where it is none."""
    return _read(data)


def rejection_schema() -> dict[str, object]:
    """The JSON Schema of the rejected record."""
    return msgspec.json.schema(Rejection)
