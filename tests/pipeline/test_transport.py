"""What the transport makes of a commit that the group does not take."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError
from faust.types import TP

from pipeline.transport import ConsumerThread


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
