"""The largest chunks that legal records make: everything that is written of one fits the batch it goes in."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from agents.core.accept.fold import AnonymizeFold
from agents.core.accept.state import Folded
from agents.core.count.fold import AggregateFold
from agents.core.shared.records import Part, RawRecord
from pipeline.kafka.appender import BATCH_BYTES, record_weight
from pipeline.worker.raw_owner import fitting
from schemas.catalogue.catalogue import Catalogue
from schemas.catalogue.loading import CatalogueMistakesError, read_catalogue
from schemas.catalogue.metrics import MOST_KEYS
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS, MAX_EVENTS, MAX_RECORD_BYTES
from schemas.times import instant
from schemas.topics import TOPICS
from schemas.wire.clean import encode_chunk
from schemas.wire.rejections import encode_rejection
from tests.core.world import PSEUDONYMS

NOON = 1793534400000 - 1793534400000 % HOUR_MS
LONG = "c" * 128
DECIDING = Deciding()
_FEW = 64
"""Bytes around all records of a batch."""
Make = Callable[[int], dict[str, Any]]


def event(number: int, kind: str = "chat.created", **more: Any) -> dict[str, Any]:
    told = {"specversion": "1.0", "id": f"{number:x}", "source": "s", "type": kind, "company": "a"}
    return told | {"time": instant(NOON - number % 34 * DAY_MS)} | more


def word(number: int) -> dict[str, Any]:
    return event(number, "consent.changed", source=f"{number:x}", data={"scope": "app", "granted": True})


EVENTS: dict[str, Make] = {
    "least bytes": lambda number: event(number, sequence=number),
    "ids of many sources and days": lambda number: event(number, source=f"{number // 34:x}", company=LONG),
    "sources": lambda number: event(number, source=f"{number:x}"),
    "shapes": lambda number: event(
        number, "app.started", data={"application": f"{number:064x}", "version": "v" * 64, "environment": "e" * 64}
    ),
    "users": lambda number: event(number, data={"user": f"{number:x}"}, sequence=number),
    "words": word,
}


def batches(make: Make) -> list[RawRecord]:
    """Records that hold as many events as are legal, five of them: more than a chunk takes."""
    found: list[RawRecord] = []
    number = 0
    for offset in range(5):
        texts: list[str] = []
        room = MAX_RECORD_BYTES - 300
        while len(texts) < MAX_EVENTS and room > 0:
            texts.append(json.dumps(make(number), separators=(",", ":")))
            room -= len(texts[-1]) + 1
            number += 1
        found.append(RawRecord(offset, NOON, make(0)["company"].encode(), f"[{','.join(texts[:-1])}]".encode()))
    return found


def companies(number: int) -> dict[str, Any]:
    return event(number, company=f"{number:0128x}", sequence=0, data={"user": "u"})


def chunks(records: list[RawRecord], deciding: Deciding) -> list[Folded]:
    fold = AnonymizeFold(deciding, PSEUDONYMS, topic="t" * 200, partition=0, partitions=1, digest="d")
    found: list[Folded] = []
    while records:
        found.append(fold.fold(records[: fitting(records)]))
        records = records[found[-1].count :]
    return found


def weight(rows: list[tuple[bytes | None, bytes | None]]) -> int:
    return _FEW + sum(record_weight(key, value, ()) for key, value in rows)


def all_fit(records: list[RawRecord], deciding: Deciding = DECIDING) -> list[Folded]:
    found = chunks(records, deciding)
    for each in found:
        assert record_weight(None, encode_chunk(each.chunk), ()) + _FEW < BATCH_BYTES
        assert weight([(write.key, write.value) for write in each.writes]) < BATCH_BYTES
        rejected = [(LONG.encode(), encode_rejection(rejection)) for rejection in each.rejections]
        largest = max((weight([row]) for row in [*rejected, *each.ledger]), default=0)
        assert largest < min(int(TOPICS[short].config["max.message.bytes"]) for short in ("rejected", "ledger"))
    parts: list[Part] = [*AggregateFold(deciding, 0).fold(enumerate(each.chunk for each in found))]
    assert max(weight([(write.key, write.value) for write in part.writes]) for part in parts) < BATCH_BYTES
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_batches(name: str) -> None:
    found = all_fit(batches(EVENTS[name]))
    assert sum(len(each.chunk.offsets) for each in found) > 5000


def test_companies_of_one_event_each() -> None:
    values = [json.dumps(companies(number), separators=(",", ":")).encode() for number in range(5000)]
    keys = [companies(number)["company"].encode() for number in range(5000)]
    found = all_fit([RawRecord(number, NOON, key, values[number]) for number, key in enumerate(keys)])
    assert len(found) == 2


METERED = """
[types."meter.read"]
title = "A meter was read"
basis = "contract"
fields = { place = "dim", reading = "int" }
"""
KINDS = {
    "gauge": """
[metrics.{name}]
title = "t"
kind = "gauge"
type = "meter.read"
field = "reading"
dimensions = ["place"]
windows = [{windows}]
""",
    "distribution": """
[metrics.{name}]
title = "t"
kind = "distribution"
type = "meter.read"
field = "reading"
dimensions = ["place"]
windows = [{windows}]
""",
    "sum": """
[metrics.{name}]
title = "t"
kind = "sum"
type = "meter.read"
field = "reading"
dimensions = ["place"]
windows = [{windows}]
""",
}
ALL = '"PT1H", "P1D", "P1M"'


def most_of(kind: str) -> Catalogue:
    """As many metrics of a kind as one type may have."""
    text = METERED + KINDS[kind].format(name="m0", windows=ALL)
    for number in range(1, 9):
        for windows in (ALL, '"PT1H", "P1D"', '"PT1H"'):
            more = text + KINDS[kind].format(name=f"m{number}", windows=windows)
            with suppress(CatalogueMistakesError):
                read_catalogue(more)
                text = more
                break
    catalogue = read_catalogue(text)
    keys = sum(metric.keys for metric in catalogue.metrics.values() if metric.event_type == "meter.read")
    assert keys == MOST_KEYS
    return catalogue


@pytest.mark.parametrize("company", ["a", LONG], ids=["short", "long"])
@pytest.mark.parametrize("width", [4, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_as_many_metrics_of_a_type_as_there_may_be(kind: str, width: int, company: str) -> None:
    deciding = Deciding(catalogue=most_of(kind))

    def read(number: int) -> dict[str, Any]:
        data = {"place": f"{number:0{width}x}", "reading": number, "user": f"{number:x}"}
        return event(number, "meter.read", company=company, sequence=number, data=data)

    all_fit(batches(read)[:1], deciding)
