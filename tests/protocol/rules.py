"""Each rule of the protocol, and how to leave it out: a patch of the real code, to be undone by the test.

Two rules of the design have no entry, for here no schedule can break them. A touched key is written also where it is
what it was: no value of ours ever comes back to what it was, each holds an offset or a time that only grows. The entry
decides who is alive: a forgotten source is told by its own last time whenever it is asked for, and a dead figure that
came back is never due at the sink.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agents.core import counting
from agents.core.joins import JoinedLog
from pipeline.worker.appender import SoleLog
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.owner import Owner
from pipeline.worker.raw_owner import RawOwner

__all__ = ["LEFT_OUT"]

Patch = pytest.MonkeyPatch


def _last_write_wins(patch: Patch) -> None:
    def apply(self: JoinedLog, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    patch.setattr(JoinedLog, "apply", apply)


def _no_mending(patch: Patch) -> None:
    async def nothing(self: object, *_: object) -> None:
        pass

    patch.setattr(Owner, "_mend", nothing)


def _sink_unread(patch: Patch) -> None:
    async def nothing(self: object, *_: object) -> list[object]:
        return []

    patch.setattr(CleanOwner, "_again", nothing)


def _foreign_writes_unseen(patch: Patch) -> None:
    patch.setattr(SoleLog, "found", lambda self, end: None)


def _no_fence_on_clean(patch: Patch) -> None:
    patch.setattr(counting, "bisect_right", lambda *_: 0)


def _state_before_outputs(patch: Patch) -> None:
    outputs, state = RawOwner._write_outputs, Owner.write

    async def keep(self: Any, folded: object) -> None:
        self.kept = folded

    async def write(self: Any, writes: Sequence[Any]) -> None:
        await state(self, writes)
        kept, self.kept = getattr(self, "kept", None), None
        if kept is not None:
            await outputs(self, kept)

    patch.setattr(RawOwner, "_write_outputs", keep)
    patch.setattr(RawOwner, "write", write)


def _state_before_corrections(patch: Patch) -> None:
    correct, state = CleanOwner._correct, Owner.write

    async def keep(self: Any, corrections: Sequence[Any]) -> None:
        self.kept = corrections

    async def write(self: Any, writes: Sequence[Any]) -> None:
        await state(self, writes)
        kept, self.kept = getattr(self, "kept", ()), ()
        await correct(self, kept)

    patch.setattr(CleanOwner, "_correct", keep)
    patch.setattr(CleanOwner, "write", write)


def _emitted_before_acknowledged(patch: Patch) -> None:
    async def in_between(self: Any) -> None:
        if self._emitted_at > 0 or not self.emission.begin():
            return
        rows = []
        while self.emission.under_way:
            rows += self.emission.draw(100)
        await self.write([self.emission.finish(self.sink.end + len(rows))])
        await self.sink.append((key, value, ()) for key, value in rows)

    patch.setattr(CleanOwner, "in_between", in_between)


def _wall_clock(patch: Patch) -> None:
    handle = RawOwner.handle

    async def with_wall(self: Any, records: Sequence[Any]) -> None:
        now = int(self.context.wall() * 1000)
        await handle(self, [type(each)(each.offset, now, each.key, each.value, each.headers) for each in records])

    patch.setattr(RawOwner, "handle", with_wall)


def _sink_mended_late(patch: Patch) -> None:
    mend, handle = CleanOwner.mend_outputs, CleanOwner.handle

    async def later(self: Any, *, fresh: bool) -> None:
        _, end = await self.context.reader.bounds(self.context.topic("aggregates"), self.partition)
        self.sink = SoleLog(self.context.appender, self.context.topic("aggregates"), self.partition, end)
        if fresh:
            await self.write([self.fold.entry_write()])
        self.unmended = True

    async def then(self: Any, records: Sequence[Any]) -> None:
        await handle(self, records)
        if self.unmended:
            self.unmended = False
            await mend(self, fresh=False)

    patch.setattr(CleanOwner, "mend_outputs", later)
    patch.setattr(CleanOwner, "handle", then)


LEFT_OUT: dict[str, Callable[[Patch], None]] = {
    "recovery joins, the last write does not win": _last_write_wins,
    "recovery mends": _no_mending,
    "recovery reads the sink": _sink_unread,
    "the sink is mended before anything is folded": _sink_mended_late,
    "a foreign write ends the owner": _foreign_writes_unseen,
    "what is below the fence is dropped one by one": _no_fence_on_clean,
    "outputs before state": _state_before_outputs,
    "corrections before state": _state_before_corrections,
    "acknowledged before emitted moves on": _emitted_before_acknowledged,
    "the watermark comes from the log": _wall_clock,
}
