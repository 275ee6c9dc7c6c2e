"""The owners as the scheduler drives them: themselves, save that time and emission are up to it."""

from collections.abc import Sequence
from typing import Any

from agents.core.records import RawRecord
from pipeline.worker.clean_owner import CleanOwner
from pipeline.worker.raw_owner import RawOwner

__all__ = ["CleanTenure", "RawTenure"]


class RawTenure(RawOwner):
    """The owner itself, with the tick's pause taken from it, since time is the scheduler's."""

    def verified(self) -> None:
        self.compacted_before = self.changelog.end

    def temper(self, *, emits: bool) -> None:
        self._ticked_at = -1e9

    def fetched(self, records: Sequence[Any]) -> list[RawRecord]:
        return [RawRecord(*record) for record in records]


class CleanTenure(CleanOwner):
    """The owner itself, that emits when the scheduler likes."""

    def verified(self) -> None:
        self.compacted_before, self.sink_compacted_before = self.changelog.end, self.sink.end

    def temper(self, *, emits: bool) -> None:
        self._emitted_at = -1e9 if emits else 1e18

    def fetched(self, records: Sequence[Any]) -> list[tuple[int, bytes]]:
        return [(record.offset, record.value) for record in records]
