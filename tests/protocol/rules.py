"""Each rule of the protocol, and how to leave it out: a patch of the real code, to be undone by the test.

``PLANTED`` holds ten bugs that a protocol of this kind is known to be written with. One of them, a touched key that is
not written where it is again what it was, can hardly be seen in a figure. Nearly every value holds an offset or a time
that only grows, so it never is again what it was. Two can be within one chunk: a word of consent that is withdrawn,
granted and withdrawn again under the same id, and the list of windows that are still open, of which the watermark puts
an older version right. So no figure is waited for: the fences of the state are held up as such
(:mod:`tests.protocol.touched`), and the bug leaves one behind at the first duplicate.

Two rules have no entry, for here no schedule breaks them. An owner that went on with the state it had, although another
had written since, folds again what that one folded (``test_former`` looks at it directly). The entry decides who is
alive: a forgotten source is told by its own last time whenever it is asked for, and a dead figure that came back is
never due at the sink.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from agents.core.count import fold as count_fold
from agents.core.shared.joins import ENTRY_KEY, JoinedLog, payload_of
from agents.core.shared.records import StateWrite
from agents.core.shared.standby import Standby
from pipeline.kafka.appender import SoleLog
from pipeline.kafka.recovery import Recovered
from pipeline.worker import restoring
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.lease import Lease
from pipeline.worker.owner import Owner
from pipeline.worker.raw_owner import RawOwner

__all__ = ["LEFT_OUT", "PLANTED"]

Patch = pytest.MonkeyPatch


def _commit_before_outputs(patch: Patch) -> None:
    """Commits what it is about to write, and reads on from there."""
    outputs, restore_from = RawOwner._write_outputs, RawOwner.restore_from

    async def committed_first(self: Any, folded: Any) -> None:
        await self.commit(self.fold.entry.fence + 1)
        await outputs(self, folded)

    def from_commit(self: Any, joined: JoinedLog) -> list[bytes]:
        dead = restore_from(self, joined)
        committed = self.context.committed(self.partition) or 0
        if committed > self.position:
            self.position = committed
            self.skip_to(committed)
        return dead

    patch.setattr(RawOwner, "_write_outputs", committed_first)
    patch.setattr(RawOwner, "restore_from", from_commit)


def _untouched_unwritten(patch: Patch) -> None:
    """Of a chunk's keys it writes those alone whose value is another than before."""
    restore, write = Owner.restore, Owner.write

    async def remember(self: Any, *given: Any) -> int:
        self.known = {}
        return await restore(self, *given)

    async def changed(self: Any, writes: Sequence[StateWrite]) -> None:
        told = {each.key: None if each.value is None else payload_of(each.value) for each in writes}
        if self.restored:
            writes = [each for each in writes if each.key == ENTRY_KEY or self.known.get(each.key, 0) != told[each.key]]
        self.known.update(told)
        await write(self, writes)

    patch.setattr(Owner, "restore", remember)
    patch.setattr(Owner, "write", changed)


def _half_a_batch(patch: Patch) -> None:
    async def in_pieces(self: Any, writes: Sequence[StateWrite]) -> None:
        await self.changelog.append((each.key, each.value, ()) for each in writes)

    patch.setattr(Owner, "write", in_pieces)


def _lease_ignored(patch: Patch) -> None:
    patch.setattr(Lease, "valid", True)
    patch.setattr(Lease, "check", lambda self: False)
    _no_mending(patch)


def _last_write_wins(patch: Patch) -> None:
    def apply(self: JoinedLog, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._values.delete(key)
        else:
            self._values.put(key, value)

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
    patch.setattr(count_fold, "bisect_right", lambda *_: 0)


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
        await handle(self, [msgspec.structs.replace(each, append_time=now) for each in records])

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


PLANTED: dict[str, Callable[[Patch], None]] = {
    "commit before outputs": _commit_before_outputs,
    "state before outputs": _state_before_outputs,
    "last-write-wins recovery": _last_write_wins,
    "no mending at recovery": _no_mending,
    "none of gaps": _foreign_writes_unseen,
    "untouched keys not written": _untouched_unwritten,
    "half a batch written": _half_a_batch,
    "no fence on clean": _no_fence_on_clean,
    "lease ignored with no mending": _lease_ignored,
    "watermark from the wall clock": _wall_clock,
}
"""Ten bugs by name: what a worker would do that has one of them."""


def _standby_believed(patch: Patch) -> None:
    real = restoring.recover

    async def recover(reader: Any, topic: str, partition: int, standby: Standby) -> Recovered:
        if not standby.next:
            return await real(reader, topic, partition, standby)
        return Recovered((await reader.bounds(topic, partition))[1])

    patch.setattr(restoring, "recover", recover)


LEFT_OUT: dict[str, Callable[[Patch], None]] = {
    "recovery reads the sink": _sink_unread,
    "the sink is mended before anything is folded": _sink_mended_late,
    "corrections before state": _state_before_corrections,
    "acknowledged before emitted moves on": _emitted_before_acknowledged,
    "a standby is brought up to the log's end": _standby_believed,
}
"""Further rules of our own, each left out."""
