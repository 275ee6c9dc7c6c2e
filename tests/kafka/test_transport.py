"""What the transport makes of a commit that the group does not take, and of brokers that are away at the start."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CommitFailedError, IllegalStateError, InvalidSessionTimeoutError, KafkaConnectionError
from faust.types import TP

from pipeline.kafka.patches.group import report_errors
from pipeline.kafka.transport import ConsumerThread, connected


def thread_over(consumer: Any) -> Any:
    async def crash(error: BaseException) -> None:
        raise AssertionError("the app must not end") from error

    return SimpleNamespace(_ensure_consumer=lambda: consumer, crash=crash)


class Group:
    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.told: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("raw", 0)}

    async def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.told = {partition: each.offset for partition, each in offsets.items()}


@pytest.mark.parametrize("error", [CommitFailedError(), IllegalStateError("gone"), KafkaConnectionError()])
async def test_a_commit_that_the_group_does_not_take_ends_nothing(error: Exception) -> None:
    assert await ConsumerThread._commit(thread_over(Group(error)), {TP("raw", 0): 5}) is False


async def test_only_what_is_assigned_is_committed() -> None:
    group = Group(None)
    assert await ConsumerThread._commit(thread_over(group), {TP("raw", 0): 5, TP("raw", 1): 6}) is True
    assert group.told == {TopicPartition("raw", 0): 5}


async def test_what_is_not_assigned_is_not_committed() -> None:
    group = Group(None)
    assert await ConsumerThread._commit(thread_over(group), {TP("raw", 1): 6}) is False
    assert group.told == {}


class Client:
    """Starts at the given attempt; an earlier one cannot connect."""

    def __init__(self, good: int, error: Exception) -> None:
        self.starts = self.stops = 0
        self._good = good
        self._error = error

    async def start(self) -> None:
        self.starts += 1
        if self.starts < self._good:
            raise self._error

    async def stop(self) -> None:
        self.stops += 1

    @staticmethod
    def failed(error: BaseException) -> None:
        raise SystemExit(type(error).__name__)


@pytest.mark.parametrize("error", [KafkaConnectionError(), OSError(24, "too many open files")])
async def test_a_client_that_cannot_connect_is_started_again_and_what_was_begun_is_stopped(error: Exception) -> None:
    client = Client(2, error)
    await connected(client.start, client.stop, client.failed)
    assert (client.starts, client.stops) == (2, 1)


async def test_a_client_that_never_connects_ends_the_worker() -> None:
    client = Client(1000, KafkaConnectionError())
    with pytest.raises(SystemExit, match="KafkaConnectionError"):
        await connected(client.start, client.stop, client.failed, patience=0)
    assert (client.starts, client.stops) == (1, 1)


async def test_an_error_of_the_group_ends_a_worker_that_fetches_nothing() -> None:
    failed: list[BaseException] = []
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator._subscription = SimpleNamespace(abort_waiters=lambda _: None)
    coordinator._closing = asyncio.get_running_loop().create_future()
    report_errors(coordinator, failed.append)
    waiting = asyncio.ensure_future(coordinator._push_error_to_user(InvalidSessionTimeoutError()))
    assert [type(error) for error in failed] == [InvalidSessionTimeoutError]
    coordinator._closing.set_result(None)
    await waiting
