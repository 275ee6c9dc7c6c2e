"""The comparison says where raw has grown since it was read, and a comparison that waits reads it anew."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from pipeline.broker.chunks import InChunks
from pipeline.kafka.reader import Progress, StoredRecord
from pipeline.proof import judgement
from pipeline.proof.judgement import Judgement, judge
from pipeline.proof.oracle import expect
from pipeline.settings.settings import Settings, load_settings
from schemas.topics import topic_name
from tests.scenario_kit import PARTITIONS, Scenario, message, record


class Log:
    """Raw to which one more record is appended once it was read, and a sink that knows of that one already."""

    def __init__(self, settings: Settings) -> None:
        self.raw = Scenario("", tuple(record(message(number, "2026-11-01T10:30:00Z")) for number in (1, 2))).stored()
        self.seen = 1
        self._topic = topic_name(settings.topic_prefix, "raw")
        self._sink = topic_name(settings.topic_prefix, "aggregates")
        expected = expect(self.raw, settings.deciding(), PARTITIONS, topic=self._topic)
        self.sink = [
            StoredRecord(0, offset, 0, identity.encode(), json.dumps(value).encode(), ())
            for offset, (identity, value) in enumerate(sorted(expected.figures.items()))
        ]

    async def read(self, _brokers: str, topic: str, _progress: Progress | None = None) -> list[StoredRecord]:
        if topic == self._topic:
            return self.raw[: self.seen]
        self.seen = 2
        return self.sink if topic == self._sink else []

    async def look(self, _settings: Settings) -> InChunks:
        return InChunks({}, {})

    async def ends(self, _brokers: str, _topic: str) -> Mapping[int, tuple[int, int]]:
        return {0: (0, self.seen)}


def judged(monkeypatch: pytest.MonkeyPatch, wait: float) -> Judgement:
    settings = load_settings(brokers="nowhere:1", partitions=PARTITIONS, control_key="cd" * 32)
    log = Log(settings)
    monkeypatch.setattr(judgement, "read_topic", log.read)
    monkeypatch.setattr(judgement, "ends", log.ends)
    monkeypatch.setattr(judgement, "look_at_chunks", log.look)
    return asyncio.run(judge(settings, wait=wait))


def test_raw_that_grows_meanwhile_is_told_beside_the_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(monkeypatch, 0)
    assert (found.equal, found.raw_grown, found.expected.counted) == (False, 1, 1)


def test_a_comparison_that_waits_reads_raw_anew_where_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(monkeypatch, 60)
    assert (found.equal, found.raw_grown, found.expected.counted) == (True, 0, 2)
