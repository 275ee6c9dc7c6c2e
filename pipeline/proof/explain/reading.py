"""Reading what explains a figure from a broker: the one partition of each topic that is its company's home."""

import difflib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from agents.core.shared.home import home
from pipeline.broker.begun import known_chunk
from pipeline.kafka.reader import LogReader, Progress, StoredRecord
from pipeline.proof.explain.explanation import Corrected, Explanation
from pipeline.proof.explain.left_out import FromBooks, FromRaw, LeftOut
from pipeline.proof.explain.making import FromClean, Making
from pipeline.proof.explain.wanted import Wanted
from pipeline.proof.judgement import known_keys
from pipeline.proof.oracle.control import Controls
from pipeline.proof.sink import SinkView
from pipeline.settings.settings import Settings
from pipeline.unknown import known
from schemas.topics import topic_name
from schemas.wire.corrections import decode_correction
from schemas.wire.ledger import decode_entry

__all__ = ["Bar", "UnknownFigureError", "explain"]

Bar = Callable[[str], AbstractContextManager[Progress]]
"""Shows a stage by its name."""


class UnknownFigureError(Exception):
    """The sink has no such figure; the text says what it has instead."""


class _Home:
    """The home partition of a figure's company."""

    def __init__(self, settings: Settings, reader: LogReader, wanted: Wanted, bar: Bar) -> None:
        self.number = home(wanted.company.encode(), settings.partitions)
        self.reader = reader
        self._prefix = settings.topic_prefix
        self._bar = bar

    def topic(self, short: str) -> str:
        return topic_name(self._prefix, short)

    async def bounds(self, short: str) -> tuple[int, int]:
        return await self.reader.bounds(self.topic(short), self.number)

    async def records(self, short: str) -> AsyncIterator[StoredRecord]:
        """Every record up to the present end."""
        first, end = await self.bounds(short)
        with self._bar(f"reading {short}") as report:
            async for records in self.reader.records(self.topic(short), self.number, first, end):
                for record in records:
                    yield StoredRecord(self.number, *msgspec.structs.astuple(record))
                if records:
                    report(records[-1].offset + 1 - first, end - first)


async def explain(settings: Settings, wanted: Wanted, bar: Bar) -> Explanation:
    """How the figure came about; raises :class:`UnknownFigureError`. ``brokers`` must be set, the topics be there.

    The sink is read first: whatever it shows is in the other topics already.
    """
    async with LogReader(settings.connection()) as reader:
        place = _Home(settings, reader, wanted, bar)
        figure = await _figure(place, wanted)
        through = figure["revision"] // 2
        making = Making(wanted, settings.deciding(), through)
        clean = await _count(place, making)
        whole = clean.is_whole(settings.deciding().clock_ahead)
        low = making.runs[0].first if whole and making.runs else 0
        return Explanation(
            wanted,
            place.number,
            figure,
            making,
            clean,
            whole,
            await _left_out(place, settings, Making(wanted, settings.deciding(), through), low),
            await _corrections(place, wanted),
        )


async def _figure(place: _Home, wanted: Wanted) -> dict[str, Any]:
    view, names = SinkView(place.topic("aggregates")), set[str]()
    own = wanted.company.encode() + b"|"
    async for record in place.records("aggregates"):
        if record.key == wanted.id.encode():
            view.apply([record])
        elif record.key is not None and record.key.startswith(own):
            names.add(record.key.decode(errors="replace"))
    if wanted.id in view.records:
        return view.records[wanted.id]
    if not names:
        raise UnknownFigureError(f"company {wanted.company} has no figure in the sink")
    near = difflib.get_close_matches(wanted.id, names, n=1, cutoff=0)
    raise UnknownFigureError(f"the sink has no figure {wanted.id}; the nearest one is '{near[0]}'")


async def _count(place: _Home, making: Making) -> FromClean:
    clean = FromClean(making)
    async for record in place.records("clean"):
        clean.add(record.append_time, known_chunk(record.value, place.topic("clean"), place.number, record.offset))
    return clean


async def _left_out(place: _Home, settings: Settings, making: Making, low: int) -> LeftOut:
    try:
        first, _ = await place.bounds("raw")
        if first == 0:
            digests = {settings.digest(): settings.deciding()}
            controls = Controls(
                await known_keys(settings, "explain"), topic_name(settings.topic_prefix, "raw"), place.number
            )
            exact = FromRaw(making, settings.deciding(), settings.partitions, digests, controls)
            async for record in place.records("raw"):
                exact.add(record)
            return exact.result()
        why = f"raw begins at offset {first}"
    except KafkaError as error:
        why = f"raw cannot be read ({type(error).__name__})"
    books = FromBooks(making.wanted.company, low, making.through, why)
    async for record in place.records("ledger"):
        books.add(known(decode_entry, record.value, place.topic("ledger"), place.number, record.offset))
    return books.result()


async def _corrections(place: _Home, wanted: Wanted) -> list[Corrected]:
    found: dict[int, Corrected] = {}
    async for record in place.records("corrections"):
        if record.key != wanted.id.encode():
            continue
        correction = known(decode_correction, record.value, place.topic("corrections"), place.number, record.offset)
        found.setdefault(correction.revision, Corrected(record.append_time, correction))
    return [found[revision] for revision in sorted(found)]
