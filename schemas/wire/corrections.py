"""The correction: a final figure changed, by how much and why, append-only (ADR 0013).

One record for each figure and each raw record that changed it after its window had closed. The last value before the
first correction is the final one (0 where nobody had counted in the window); final plus all differences is the present
value. What is written follows from the log alone: repeats of (id, revision) are equal byte for byte.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.times import INSTANT, instant
from schemas.wire.forms import form_reader, whole

__all__ = ["Cause", "CauseKind", "Correction", "correction_schema", "decode_correction", "encode_correction"]

Count = Annotated[int, msgspec.Meta(ge=0)]
Instant = Annotated[str, msgspec.Meta(pattern=whole(INSTANT))]


class CauseKind(StrEnum):
    """Why a final figure changed; a closed list."""

    LATE = "late"
    """Events came after the window had closed."""


class Cause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The raw record that changed the figure, and the closing watermark before it."""

    kind: CauseKind
    partition: Count
    offset: Count
    watermark: Instant


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A change of the figure ``id`` after its window had closed; (``id``, ``revision``) identifies it.

    ``difference`` = ``new`` - ``old``. ``revision`` is that of the figure after the change, as in the sink.
    """

    id: str
    company: str
    metric: str
    old: Count
    new: Count
    difference: int
    revision: Count
    cause: Cause


_encoder = msgspec.json.Encoder()
_read = form_reader("a correction", msgspec.json.Decoder(Correction).decode)


def encode_correction(identity: str, old: int, new: int, partition: int, offset: int, watermark: int) -> bytes:
    """The JSON of the correction that the raw record at ``offset`` of ``partition`` made to the figure ``identity``.

    ``watermark`` is the closing watermark before that record, in milliseconds since 1970 UTC.
    """
    company, metric, _ = identity.split("|", 2)
    cause = Cause(CauseKind.LATE, partition, offset, instant(watermark))
    return _encoder.encode(Correction(identity, company, metric, old, new, new - old, 2 * offset + 1, cause))


def decode_correction(data: bytes) -> Correction:
    """The correction in ``data``; raises :class:`schemas.wire.forms.UnknownFormError` where it is none."""
    return _read(data)


def correction_schema() -> dict[str, object]:
    """The JSON Schema of a correction."""
    return msgspec.json.schema(Correction)
