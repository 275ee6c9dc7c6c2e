"""What a sole writer notices, and what recovery reads: on the real broker."""

import asyncio

import pytest

from agents.core.shared.joins import ENTRY_KEY, seal
from agents.core.shared.standby import Standby
from pipeline.broker.topics import apply
from pipeline.kafka.appender import Appender, ForeignWriteError, ProduceError, SoleLog
from pipeline.kafka.reader import LogReader
from pipeline.kafka.recovery import recover
from pipeline.settings.settings import load_settings
from schemas.topics import topic_name

pytestmark = pytest.mark.broker


def test_a_sole_writer_finds_what_another_wrote_between(brokers: str, prefix: str) -> None:
    async def scenario() -> None:
        await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=1))
        topic = topic_name(prefix, "anonymize-state")
        async with Appender(brokers, lambda: True) as mine, Appender(brokers, lambda: True) as theirs:
            log = SoleLog(mine, topic, 0, 0)
            await log.append([(b"a", b"1", ()), (b"b", b"2", ())], whole=True)
            assert log.end == 2
            await theirs.append(topic, 0, [(b"a", b"0", ())])
            with pytest.raises(ForeignWriteError):
                await log.append([(b"a", b"3", ())], whole=True)

    asyncio.run(scenario())


def test_recovery_joins_and_names_what_a_late_writer_left(brokers: str, prefix: str) -> None:
    async def scenario() -> None:
        await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=1))
        topic = topic_name(prefix, "anonymize-state")
        new = [(b"f1", seal(9, 5), ()), (ENTRY_KEY, seal(9, [9, 3]), ())]
        old = [(b"f1", seal(4, 2), ()), (ENTRY_KEY, seal(4, [4, 7]), ())]
        async with Appender(brokers, lambda: True) as appender:
            await appender.append(topic, 0, new)
            await appender.append(topic, 0, old)
        async with LogReader(brokers) as reader:
            standby = Standby()
            found = await recover(reader, topic, 0, standby)
        joined = standby.joined
        assert (found.end, found.records, standby.next) == (4, 4, 4)
        assert dict(joined.items()) == {b"f1": seal(9, 5), ENTRY_KEY: seal(9, [9, 7])}
        assert list(joined.to_mend()) == [(b"f1", seal(9, 5)), (ENTRY_KEY, seal(9, [9, 7]))]

    asyncio.run(scenario())


def test_nothing_is_written_once_the_lease_has_run_out(brokers: str, prefix: str) -> None:
    async def scenario() -> None:
        await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=1))
        topic = topic_name(prefix, "clean")
        async with Appender(brokers, lambda: False) as appender:
            with pytest.raises(ProduceError):
                await appender.append(topic, 0, [(None, b"x", ())])
        async with LogReader(brokers) as reader:
            assert await reader.bounds(topic, 0) == (0, 0)

    asyncio.run(scenario())


def test_a_state_batch_that_does_not_fit_one_record_batch_is_never_cut(brokers: str, prefix: str) -> None:
    async def scenario() -> None:
        await apply(load_settings(brokers=brokers, topic_prefix=prefix, partitions=1))
        topic = topic_name(prefix, "anonymize-state")
        async with Appender(brokers, lambda: True) as appender:
            rows = [(str(number).encode(), bytes(1 << 20), ()) for number in range(17)]
            with pytest.raises(ProduceError):
                await SoleLog(appender, topic, 0, 0).append(rows, whole=True)
        async with LogReader(brokers) as reader:
            assert await reader.end(topic, 0) == 0

    asyncio.run(scenario())
