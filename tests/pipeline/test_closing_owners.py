"""A worker that stops while its group assigns partitions takes none of them."""

import asyncio
from typing import Any, cast

from pipeline.worker.manager import Owners


class Owner:
    """One that is restored at once."""

    def __init__(self, partition: int) -> None:
        self.partition, self.restored, self.running, self.others = partition, False, False, None

    async def restore(self, *_: object) -> None:
        self.restored = True

    def begin(self) -> None:
        self.running = True

    async def close(self) -> None:
        self.running = False

    def release(self) -> None:
        pass


class Standbys:
    """What follows nothing; its stop can be held up, as by a read that a broker has not answered."""

    def __init__(self) -> None:
        self.may_stop = asyncio.Event()

    async def stop(self) -> None:
        await self.may_stop.wait()

    async def follow(self, _: object) -> None:
        pass

    def keep(self, _: object) -> None:
        pass

    def hand_over(self, _: int) -> None:
        pass


class Quiet:
    """Takes every call."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def owners_of(made: list[Owner], standbys: Standbys) -> Owners:
    def make(partition: int) -> Owner:
        made.append(Owner(partition))
        return made[-1]

    def failed(error: BaseException) -> None:
        raise error

    return Owners(cast("Any", make), cast("Any", standbys), cast("Any", Quiet()), cast("Any", Quiet()), failed)


async def test_an_assignment_starts_its_owners_and_the_end_closes_them() -> None:
    made, standbys = list[Owner](), Standbys()
    standbys.may_stop.set()
    owners = owners_of(made, standbys)
    await owners.assign([0, 1])
    assert [owner.running for owner in made] == [True, True]
    await owners.close()
    assert [owner.running for owner in made] == [False, False]


async def test_an_assignment_under_way_starts_nobody_after_the_end() -> None:
    made, standbys = list[Owner](), Standbys()
    owners = owners_of(made, standbys)
    assigning = asyncio.create_task(owners.assign([0, 1]))
    await asyncio.sleep(0)
    closing = asyncio.create_task(owners.close())
    await asyncio.sleep(0)
    standbys.may_stop.set()
    await asyncio.gather(assigning, closing)
    assert not any(owner.running for owner in made)
    assert not owners.in_group


async def test_an_assignment_after_the_end_starts_nobody() -> None:
    made, standbys = list[Owner](), Standbys()
    standbys.may_stop.set()
    owners = owners_of(made, standbys)
    await owners.close()
    await owners.assign([0, 1])
    assert made == []
    assert not owners.in_group
