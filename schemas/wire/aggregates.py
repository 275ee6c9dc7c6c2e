"""The aggregate record: what comes out of the pipeline and a bill is made from (design 1.3)."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.catalogue.metrics import Kind, Metric, WindowSize
from schemas.limits import COMPANY_PATTERN, DIMENSION_PATTERN, OTHER
from schemas.times import INSTANT, instant
from schemas.wire.forms import form_reader

__all__ = [
    "Aggregate",
    "AggregateWindow",
    "Status",
    "StoredAggregate",
    "aggregate_id",
    "decode_aggregate",
    "dimensions_text",
    "encode_aggregate",
]


class Status(StrEnum):
    """How far a figure may still be relied upon to stay."""

    PROVISIONAL = "provisional"
    FINAL = "final"
    CORRECTED = "corrected"


Instant = Annotated[str, StringConstraints(pattern=f"^{INSTANT}$")]
"""RFC 3339 in UTC, whole seconds."""
_VALUE = Annotated[str, StringConstraints(pattern=f"^({DIMENSION_PATTERN}|{re.escape(OTHER)})$")]


_MEMBERS = {Kind.GAUGE: ("sources",), Kind.DISTRIBUTION: ("sum", "min", "max", "p50", "p95", "p99", "bins")}
_FURTHER = [name for names in _MEMBERS.values() for name in names]


class AggregateWindow(BaseModel):
    """A half-open window in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: WindowSize
    start: Instant
    end: Instant


class Aggregate(BaseModel):
    """One figure of one company: an upsert by ``id``; of two records of an id the higher ``revision`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    company: Annotated[str, StringConstraints(pattern=f"^{COMPANY_PATTERN}$")]
    metric: str
    kind: Kind
    unit: str
    dimensions: dict[str, _VALUE]
    window: AggregateWindow
    value: int = Field(ge=0, strict=True)
    sources: int | None = Field(default=None, ge=1, strict=True)
    """Of a gauge, how many readings its value is the sum of."""
    sum: int | None = Field(default=None, ge=0, strict=True)
    """This and all further ones of a distribution, whose value is how many readings it has."""
    min: int | None = Field(default=None, ge=0, strict=True)
    max: int | None = Field(default=None, ge=0, strict=True)
    p50: int | None = Field(default=None, ge=0, strict=True)
    p95: int | None = Field(default=None, ge=0, strict=True)
    p99: int | None = Field(default=None, ge=0, strict=True)
    bins: list[tuple[int, int]] | None = None
    """[lowest value of the bin, how many readings are in it], ascending."""
    status: Status
    revision: int = Field(ge=0, strict=True)
    watermark: Instant

    @model_validator(mode="after")
    def _id_names_the_figure(self) -> Self:
        dimensions = ",".join(f"{name}={value}" for name, value in self.dimensions.items())
        if self.id != f"{self.company}|{self.metric}|{self.window.size}|{self.window.start}|{dimensions}":
            raise ValueError("id does not name this figure")
        return self

    @model_validator(mode="after")
    def _members_are_those_of_the_kind(self) -> Self:
        held = {name for name in _FURTHER if getattr(self, name) is not None}
        if held != set(_MEMBERS.get(self.kind, ())) or (self.value == 0 and self.kind is not Kind.GAUGE):
            raise ValueError("a figure of another kind")
        return self


class _StoredWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    size: WindowSize
    start: str
    end: str


class StoredAggregate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A record of the sink as commands read it: the fields of :class:`Aggregate`, read much faster."""

    id: str
    company: str
    metric: str
    kind: Kind
    unit: str
    dimensions: dict[str, str]
    window: _StoredWindow
    value: int
    status: Status
    revision: int
    watermark: str
    sources: int | None = None
    sum: int | None = None
    min: int | None = None
    max: int | None = None
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None
    bins: tuple[tuple[int, int], ...] | None = None

    @property
    def members(self) -> tuple[object, ...]:
        """What it says beside its value, of some kinds."""
        return tuple([getattr(self, name) for name in _MEMBERS.get(self.kind, ())])


_read = form_reader("a record of the sink", msgspec.json.Decoder(StoredAggregate).decode)


def decode_aggregate(data: bytes) -> StoredAggregate:
    """The record in ``data``; raises :class:`schemas.wire.forms.UnknownFormError` where it has another shape."""
    return _read(data)


_MOST_TEXTS = 16_384
"""Pieces of records and ids that are remembered."""


@lru_cache(maxsize=_MOST_TEXTS)
def dimensions_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """``name=value,name=value`` in catalogue order, empty without dimensions."""
    return ",".join([f"{name}={value}" for name, value in zip(names, values, strict=True)])


def aggregate_id(company: str, metric: str, size: str, start: int, dimensions: str = "") -> str:
    """``company|metric|size|start|dims``; ``start`` in milliseconds is the window's real start."""
    return f"{company}|{_window_name(metric, size, start)}|{dimensions}"


@lru_cache(maxsize=_MOST_TEXTS)
def _window_name(metric: str, size: str, start: int) -> str:
    return f"{metric}|{size}|{instant(start)}"


def encode_aggregate(
    identity: str,
    company: str,
    metric: Metric,
    values: tuple[str, ...],
    window: tuple[str, int, int],
    value: int,
    status: Status,
    revision: int,
    watermark: int,
    members: str = "",
) -> bytes:
    """The JSON bytes of one aggregate record, fields in the contract's order, without spaces.

    ``values`` are those of the metric's dimensions in order, ``window`` its (size, start, end); times are
    milliseconds since 1970 UTC. ``members`` are the further ones of its kind, each with a comma
    behind it. Nothing in a record needs an escape: its names are of the contract's own alphabets.
    """
    measured = _measure_text(metric.name, metric.kind.value, metric.unit, metric.dimensions, values)
    return (
        f'{{"id":"{identity}","company":"{company}",{measured},{_window_text(*window)},'
        f'"value":{value},{members}"status":"{status.value}","revision":{revision},"watermark":"{instant(watermark)}"}}'
    ).encode()


@lru_cache(maxsize=_MOST_TEXTS)
def _measure_text(name: str, kind: str, unit: str, dimensions: tuple[str, ...], values: tuple[str, ...]) -> str:
    named = ",".join([f'"{key}":"{value}"' for key, value in zip(dimensions, values, strict=True)])
    return f'"metric":"{name}","kind":"{kind}","unit":"{unit}","dimensions":{{{named}}}'


@lru_cache(maxsize=_MOST_TEXTS)
def _window_text(size: str, start: int, end: int) -> str:
    return f'"window":{{"size":"{size}","start":"{instant(start)}","end":"{instant(end)}"}}'
