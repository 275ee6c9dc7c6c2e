from agents.core.compiled_run import CompiledRun
from agents.core.records import RawRecord

MOST_EVENTS: int
MOST_BYTES: int

class Plain:
    def __init__(self, records: list[RawRecord], fields: tuple[str, ...], flags: tuple[str, ...], /) -> None: ...
    def run(
        self,
        host: CompiledRun,
        columns: tuple[list[int], ...],
        hours: set[int],
        at: int,
        facts: tuple[int, int, int, int, int, int, bool, int, int],
        /,
    ) -> tuple[int, int, int, int, int, int, int]: ...
