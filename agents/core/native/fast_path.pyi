from array import array
from collections.abc import Callable, Sequence
from typing import TypeVar, overload

from agents.core.accept.fast_path import FastPathRun
from agents.core.shared.records import RawRecord

MOST_EVENTS: int
MOST_BYTES: int
MOST_HEADERS: int
SHORTEST_EVENT: int
MOST_INT: int
CONTROL_PREFIX: str
Made = TypeVar("Made")
Block = tuple[bytes, int, int, int, int, int, int, int, int, bool]
Declared = tuple[str, tuple[str, ...], tuple[tuple[str, bool, bool], ...]]
Headers = tuple[tuple[str, bytes | None], ...]

def cut(block: Block, most: int, /) -> list[tuple[int, int, int]] | None: ...

class Records(Sequence[Made]):
    def __init__(
        self,
        blocks: Sequence[Block],
        make: Callable[[int, int, bytes | None, bytes | None, Headers, int | None], Made],
        /,
    ) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: int, /) -> Made: ...
    @overload
    def __getitem__(self, key: slice, /) -> Records[Made]: ...
    def after(self, offset: int, /) -> Records[Made]: ...
    def refused(self, at: int, append_time: int, most: int, /) -> tuple[list[int], bytes]: ...
    def fitting(self, most: int, size: int, header: int, /) -> int: ...

class Types:
    def __init__(
        self, declared: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, bool, bool], ...]], ...], /
    ) -> None: ...

class FastPath:
    def __init__(self, records: Records[RawRecord] | list[RawRecord], types: Types, /) -> None: ...
    def holds(self, at: int, /) -> bool: ...
    def run(
        self,
        host: FastPathRun,
        columns: tuple[array[int], ...],
        measures: array[int],
        hours: set[int],
        at: int,
        facts: tuple[int, int, int, int, int, int, bool, int, int],
        /,
    ) -> tuple[int, int, int, int, int, int, int]: ...
