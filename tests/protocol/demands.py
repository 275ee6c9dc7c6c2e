"""What must hold once everything has come to rest: every topic against the oracle.

A further output topic is one more line in ``wrong``; its readers drop repeats by key.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.corrections import compare_corrections
from pipeline.proof.oracle import expect
from pipeline.proof.oracle.control import Controls
from pipeline.proof.sink import SinkView
from pipeline.proof.verify import compare, last_is_highest, wrong_pages
from pipeline.settings.settings import Settings
from schemas.topics import topic_name
from schemas.wire.rejections import Rejection, decode_rejection
from tests.control_kit import ORACLE_KEYS, PSEUDONYMS
from tests.protocol.touched import unfenced

__all__ = ["uneven", "wrong"]


def wrong(stored: Callable[[str], list[StoredRecord]], settings: Settings) -> list[str]:
    """Everything that is not as it must be; ``stored`` gives the records of a topic by its short name."""
    raw, deciding = stored("raw"), settings.deciding()
    topic = topic_name(settings.topic_prefix, "raw")
    expected = expect(
        raw,
        deciding,
        settings.partitions,
        topic=topic,
        record_duplicates=True,
        source_mark=lambda company, source: PSEUDONYMS.source(company, source).hex()[:16],
        keys=ORACLE_KEYS,
    )
    view, sink = SinkView(), stored("aggregates")
    view.apply(sink)
    return [
        *(str(each) for each in compare(view.records, expected.figures, sink_watermarks=False)),
        *uneven(sink),
        *map(str, compare_corrections(stored("corrections"), expected.corrections, view.records)),
        *(f"books {each}" for each in wrong_pages(stored("ledger"), expected.ledger)),
        *_unequal(
            "rejection",
            ((_identity(told), told) for told in (decode_rejection(each.value or b"") for each in stored("rejected"))),
            {_identity(each): each for each in expected.rejections},
        ),
        *unfenced(
            raw,
            deciding,
            settings.partitions,
            stored,
            PSEUDONYMS,
            lambda partition: Controls(ORACLE_KEYS, topic, partition),
        ),
    ]


def uneven(sink: Sequence[StoredRecord]) -> list[str]:
    """The last record of an id has its highest revision, and whoever emits a revision says the same of it."""
    said: dict[tuple[str, int], tuple[object, object]] = {}
    told = [f"not last: {each}" for each in last_is_highest(sink)]
    for record in sink:
        figure = orjson.loads(record.value or b"{}")
        revision, says = (figure["id"], figure["revision"]), (figure["value"], figure["status"])
        if said.setdefault(revision, says) != says:
            told.append(f"revision {revision}: {said[revision]} and {says}")
    return told


def _unequal(name: str, found: Iterable[tuple[Any, Any]], expected: Mapping[Any, Any]) -> list[str]:
    """An output whose readers drop repeats by key: every key is there, none more, and each repeat is the same."""
    seen = set()
    told = []
    for key, value in found:
        seen.add(key)
        if key not in expected or expected[key] != value:
            told.append(f"{name} {key}: {value}, not {expected.get(key)}")
    return told + [f"{name} {key} is missing" for key in expected if key not in seen]


def _identity(rejection: Rejection) -> tuple[object, ...]:
    return rejection.partition, rejection.offset, rejection.path, rejection.reason
