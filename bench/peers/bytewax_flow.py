"""The work in Bytewax: a dataflow keyed by company, its figures to a topic.

As its documentation has it: Kafka source and sink of its connectors, ``flat_map_batch`` to decode whole batches,
``stateful_batch`` keyed by company, recovery partitions with a snapshot every second; after a crash the source goes
back to the snapshot and the sink is written again from there, which is at least once, its strongest with Kafka. The
events of a batch travel by company, not one by one, and are decoded by msgspec, the fastest decoder that Python has.
Changed figures go out at whole seconds, of all companies together. More workers are more processes, as it advises for
work that holds Python's global lock. Not named after its package, which it would hide.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from bench.peers.work import Arguments, active_user, arguments, counts, number, seen_with, source

Figure = tuple[str, int]
Events = list[dict[str, Any]]
_SECOND = timedelta(seconds=1)
_decode = msgspec.json.Decoder().decode


class Company(op.StatefulBatchLogic[Events, Figure, dict[str, Any]]):  # type: ignore[misc] # its types are not here
    """What is known of one company. Restored figures go out again: their last change may not have."""

    def __init__(self, restored: dict[str, Any] | None) -> None:
        state = restored or {"seen": {}, "figures": {}, "active": {}}
        self.seen: dict[str, list[int]] = state["seen"]
        self.figures: dict[str, int] = state["figures"]
        self.active: dict[str, frozenset[str]] = state["active"]
        self.users = {day: set(users) for day, users in self.active.items()}
        self.changed = set(self.figures)

    def on_batch(self, values: list[Events]) -> tuple[Iterable[Figure], bool]:
        """Count; nothing goes out yet."""
        for events in values:
            for event in events:
                self._count(event)
        return (), op.StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[Figure], bool]:
        """The figures changed since the last whole second."""
        out = [(figure, self.figures[figure]) for figure in self.changed]
        self.changed.clear()
        return out, op.StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """The next whole second, where anything has changed."""
        return datetime.now(UTC).replace(microsecond=0) + _SECOND if self.changed else None

    def snapshot(self) -> dict[str, Any]:
        """A copy: it is pickled later. A list of seen numbers is never changed in place."""
        active = {day: frozenset(users) for day, users in self.users.items()}
        return {"seen": dict(self.seen), "figures": dict(self.figures), "active": active}

    def _count(self, event: dict[str, Any]) -> None:
        origin = source(event)
        seen = seen_with(self.seen.get(origin, [0]), number(event))
        if seen is None:
            return
        self.seen[origin] = seen
        for figure in counts(event):
            self._add(figure)
        active = active_user(event)
        if active is not None:
            day, user = active
            users = self.users.setdefault(day, set())
            if user not in users:
                users.add(user)
                self._add(day)

    def _add(self, figure: str) -> None:
        self.figures[figure] = self.figures.get(figure, 0) + 1
        self.changed.add(figure)


def _by_company(messages: list[KafkaSourceMessage[bytes, bytes]]) -> list[tuple[str, Events]]:
    found: dict[str, Events] = {}
    for message in messages:
        if message.value is None:  # a control record of the topic
            continue
        decoded = _decode(message.value)
        for event in decoded if isinstance(decoded, list) else (decoded,):
            found.setdefault(event["company"], []).append(event)
    return list(found.items())


def _message(item: tuple[str, Figure]) -> KafkaSinkMessage[bytes, bytes]:
    figure, value = item[1]
    return KafkaSinkMessage(figure.encode(), b"%d" % value)


def flow(given: Arguments) -> Dataflow:
    """The dataflow from raw to sink."""
    made = Dataflow("footfall")
    fetches = {"max.partition.fetch.bytes": str(4 << 20), "fetch.min.bytes": str(1 << 16)}
    raw = op.input("raw", made, KafkaSource([given.brokers], [given.raw], add_config=fetches))
    figures = op.stateful_batch("count", op.flat_map_batch("decode", raw, _by_company), Company)
    batches = {"enable.idempotence": "true", "compression.type": "lz4"}
    op.output("sink", op.map("message", figures, _message), KafkaSink([given.brokers], given.sink, batches))
    return made


def main() -> None:
    """Run until killed. The recovery partitions lie beside the workers' folders, made by the first worker."""
    given = arguments()
    recovery = Path(given.folder).parent / "recovery"
    if given.worker == 0:
        recovery.mkdir(exist_ok=True)
        if not any(recovery.iterdir()):
            init_db_dir(recovery, given.workers)
    config = RecoveryConfig(recovery, timedelta(0))
    if given.workers == 1:
        cli_main(flow(given), epoch_interval=_SECOND, recovery_config=config)
    else:
        addresses = given.addresses.split(";")
        cli_main(
            flow(given), process_id=given.worker, addresses=addresses, epoch_interval=_SECOND, recovery_config=config
        )


if __name__ == "__main__":
    main()
