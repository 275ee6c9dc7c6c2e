"""The work in Faust as it is: an agent over records keyed by company, tables, a timer that sends changed figures.

As its documentation has it: ``async for`` over the stream (``take`` would change tables under another record's
partition), tables in memory with changelog topics, a timer of one second, ``processing_guarantee`` as told. Set for
throughput: uvloop, large fetches and buffers, batches that linger and are compressed, a commit every second, the web
server off, no log lines about full buffers. It runs in Footfall's environment, on its own transport.

Not shown by a run without faults: killed under load, it lost single changes of tables here with either guarantee. With
``exactly_once`` every record was read and sent; a commit does not first flush what its producer buffers.
"""

import asyncio
from typing import Any

import faust
from mode.loop import use

from bench.peers.work import active_user, arguments, counts, number, seen_with, source


def main() -> None:
    """Run until killed."""
    use("uvloop")
    given = arguments()
    app = faust.App(
        given.app,
        broker=f"kafka://{given.brokers}",
        store="memory://",
        datadir=given.folder,
        processing_guarantee=given.guarantee.replace("-", "_"),
        topic_partitions=given.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        broker_commit_interval=1.0,
        stream_buffer_maxsize=16_384,
        consumer_max_fetch_size=4 << 20,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.05,
        producer_max_batch_size=256 << 10,
        producer_compression_type="lz4",
    )
    counting = Counting(app, given.sink)
    app.agent(app.topic(given.raw, key_serializer="raw", value_serializer="json"), name="count")(counting.count)
    app.timer(1.0)(counting.emit)
    counting.figures.on_recover(counting.restored)
    faust.Worker(app, loglevel="error").execute_from_commandline()


class Counting:
    """The agent's tables, and which figures have changed since they were sent."""

    def __init__(self, app: Any, sink: str) -> None:
        self.seen = app.Table("seen", key_type=str)
        self.figures = app.Table("figures", default=int, key_type=str)
        self.active = app.Table("active", key_type=str)
        self.sink = app.topic(sink, key_serializer="raw", value_serializer="json")
        self.changed: set[str] = set()

    async def count(self, stream: Any) -> None:
        """The agent: records as they come, one event or an array; one without a value is none of ours."""
        async for record in stream:
            if record is None:
                continue
            for event in record if isinstance(record, list) else [record]:
                self._count(event)

    async def emit(self) -> None:
        """The timer: send the changed figures."""
        changed, self.changed = self.changed, set()
        sent = [await self.sink.send(key=figure.encode(), value=self.figures[figure]) for figure in changed]
        await asyncio.gather(*sent)

    async def restored(self) -> None:
        """After recovery: all figures are sent again, since their last change may not have been."""
        self.changed.update(self.figures.keys())

    def _count(self, event: dict[str, Any]) -> None:
        key = f"{event['company']}|{source(event)}"
        seen = seen_with(self.seen.get(key, [0]), number(event))
        if seen is None:
            return
        self.seen[key] = seen
        for figure in counts(event):
            self._add(figure)
        active = active_user(event)
        if active is not None and (user := "|".join(active)) not in self.active:
            self.active[user] = 1
            self._add(active[0])

    def _add(self, figure: str) -> None:
        self.figures[figure] += 1
        self.changed.add(figure)


if __name__ == "__main__":
    main()
