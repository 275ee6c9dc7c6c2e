"""The lease: how long a worker may write after a heartbeat was sent, by a clock that the test turns."""

import pytest

from pipeline.worker.lease import Lease


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def lease(clock: Clock, ended: list[str]) -> Lease:
    return Lease(6.0, lambda: ended.append("ended"), clock)


def test_nothing_may_be_written_before_the_first_answered_heartbeat(lease: Lease, ended: list[str]) -> None:
    assert not lease.valid
    assert not lease.check()
    assert not ended


def test_it_is_reckoned_from_the_sending_not_from_the_answer(lease: Lease, clock: Clock) -> None:
    sent = lease.sent()
    clock.now += 4
    lease.answered(sent)
    clock.now += 1.9
    assert lease.valid
    clock.now += 0.2
    assert not lease.valid


def test_a_late_answer_to_an_earlier_heartbeat_never_shortens_it(lease: Lease, clock: Clock) -> None:
    early = lease.sent()
    clock.now += 3
    lease.answered(lease.sent())
    lease.answered(early)
    clock.now += 5
    assert lease.valid


def test_while_the_group_rebalances_a_chunk_may_be_finished_but_none_begun(lease: Lease) -> None:
    lease.answered(lease.sent(), rebalancing=True)
    assert lease.valid
    assert not lease.may_begin
    lease.answered(lease.sent())
    assert lease.may_begin


def test_running_out_ends_the_process_once(lease: Lease, clock: Clock, ended: list[str]) -> None:
    lease.answered(lease.sent())
    assert not lease.check()
    clock.now += 6
    assert lease.check()
    assert not lease.check()
    assert ended == ["ended"]
