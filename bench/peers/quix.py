"""The work in Quix Streams: one stateful function over records keyed by company, its figures to a topic.

As its documentation has it: JSON by orjson, ``apply(..., stateful=True)`` on state kept by message key in RocksDB with
a changelog topic, ``processing_guarantee="exactly-once"``, a checkpoint every second, ``to_topic`` inside its
transaction. It has no timer: a figure goes out with the record that changes it, and is seen once its transaction is
committed. (A sink of one's own, flushed at the checkpoint, would send fewer records but is no part of the transaction.)
Set for throughput: large fetches, batches that linger and are compressed. More workers are more processes.
"""

from pathlib import Path
from typing import Any

from quixstreams import Application, State
from quixstreams.models import JSONSerializer

from bench.peers.work import active_user, arguments, counts, number, seen_with, source

Figure = tuple[str, int]


def main() -> None:
    """Run until killed."""
    given = arguments()
    app = Application(
        broker_address=given.brokers,
        consumer_group=given.app,
        auto_offset_reset="earliest",
        processing_guarantee=given.guarantee,
        commit_interval=1.0,
        consumer_poll_timeout=0.1,
        state_dir=Path(given.folder) / "state",
        loglevel="WARNING",
        consumer_extra_config={"max.partition.fetch.bytes": 4 << 20, "fetch.min.bytes": 1 << 16},
        producer_extra_config={"linger.ms": 50, "compression.type": "lz4"},
    )
    raw = app.topic(given.raw, key_deserializer="str", value_deserializer="json")
    sink = app.topic(given.sink, key_serializer="str", value_serializer=JSONSerializer(dumps=_value))
    figures = app.dataframe(raw).apply(_count, stateful=True, expand=True)
    figures.to_topic(sink, key=_id)
    app.run()


def _id(figure: Figure) -> str:
    return figure[0]


def _value(figure: Figure) -> bytes:
    return b"%d" % figure[1]


def _count(record: Any, state: State) -> list[Figure]:
    """The figures that a record changes; ``state`` is its company's. A record without a value is none of ours."""
    if record is None:
        return []
    changed: dict[str, int] = {}
    for event in record if isinstance(record, list) else [record]:
        key = f"seen|{source(event)}"
        seen = seen_with(state.get(key, [0]), number(event))
        if seen is None:
            continue
        state.set(key, seen)
        grown = counts(event)
        active = active_user(event)
        if active is not None and not state.exists("|".join(active)):
            state.set("|".join(active), 1)
            grown.append(active[0])
        for figure in grown:
            changed[figure] = state.get(figure, 0) + 1
            state.set(figure, changed[figure])
    return list(changed.items())


if __name__ == "__main__":
    main()
