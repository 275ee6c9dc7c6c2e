"""Fetches that an owner is handed: in order, none missing, held back while enough is here."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog

from pipeline.kafka.batch import Batch, Block
from pipeline.worker import intake
from pipeline.worker.intake import STALL_SECONDS, Intake


def fetched(*bounds: tuple[int, int, int]) -> Sequence[Batch]:
    """Batches of (from where on nothing lay before it, first offset, last offset)."""
    return [Batch(0, Block(b"", 0, 0, 1, first, last, first, 0, 0, True), since) for since, first, last in bounds]


def begun(position: int) -> Intake:
    found = Intake(structlog.get_logger())
    found.begin(position)
    return found


def test_what_follows_is_taken_and_what_leaves_something_out_is_fetched_again() -> None:
    async def scenario() -> None:
        got = begun(5)
        assert await got.put(fetched((5, 5, 7), (8, 9, 9))) is None
        assert await got.put(fetched((12, 12, 13))) == 10
        assert await got.put(fetched((10, 11, 11), (12, 12, 13))) is None
        assert [batch.stored.last for batch in [*await got.get(), *await got.get()]] == [7, 9, 11, 13]
        assert await got.put(fetched((8, 9, 9))) is None  # twice
        assert await got.put(fetched((14, 14, 14))) is None

    asyncio.run(scenario())


def test_a_put_that_waits_ends_when_all_is_dropped() -> None:
    async def scenario() -> None:
        got = begun(0)
        for offset in range(2):
            await got.put(fetched((offset, offset, offset)))
        waiting = asyncio.create_task(got.put(fetched((2, 2, 2))))
        await asyncio.sleep(0)
        assert not waiting.done()
        got.clear()
        assert await asyncio.wait_for(waiting, 5) is None

    asyncio.run(scenario())


def test_it_starves_where_nothing_comes_for_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(intake.time, "monotonic", lambda: now)
    got = begun(3)

    def starved(*, hungry: bool = True, moved_at: float = 0) -> int | None:
        return got.starved(3, 9, hungry=hungry, moved_at=moved_at)

    now += STALL_SECONDS - 1
    assert starved() is None
    now += 2
    assert starved(moved_at=now - 5) is None
    assert starved() == 3
    assert starved() is None
    now += STALL_SECONDS + 1
    assert starved(hungry=False) is None
    now += STALL_SECONDS - 1
    assert starved() is None
