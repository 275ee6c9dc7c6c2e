from array import array
from collections.abc import Callable, Sequence
from typing import overload

from agents.core.compiled_run import CompiledRun
from agents.core.records import RawRecord

MOST_EVENTS: int
MOST_BYTES: int
Block = tuple[bytes, int, int, int, int, int, int]
Headers = tuple[tuple[str, bytes | None], ...]

class Records(Sequence[RawRecord]):
    def __init__(
        self, blocks: list[Block], make: Callable[[int, int, bytes | None, bytes | None, Headers], RawRecord], /
    ) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int, /) -> RawRecord: ...
    @overload
    def __getitem__(self, key: slice, /) -> Records: ...
    def after(self, offset: int, /) -> Records: ...
    def fitting(self, most: int, size: int, /) -> int: ...

class Plain:
    def __init__(
        self, records: Records | list[RawRecord], fields: tuple[str, ...], flags: tuple[str, ...], /
    ) -> None: ...
    def run(
        self,
        host: CompiledRun,
        columns: tuple[array[int], ...],
        hours: set[int],
        at: int,
        facts: tuple[int, int, int, int, int, int, bool, int, int],
        /,
    ) -> tuple[int, int, int, int, int, int, int]: ...
