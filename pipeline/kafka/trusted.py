"""Who may have written what a topic holds: anybody, or services of ours alone."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from pipeline.errors import StartupError
from schemas.topics import TOPICS

__all__ = ["admitted"]

_JUDGED: Final = TOPICS["raw"].suffix
_PASSED_OVER: Final = (TOPICS["aggregates"].suffix, TOPICS["rejected"].suffix)
"""Topics whose readers pass over whatever is not theirs."""


class _Record(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def unreadable_to(self) -> int | None: ...


Record = TypeVar("Record", bound=_Record)


def admitted(topic: str, partition: int, records: Sequence[Record]) -> Sequence[Record]:
    """Those of the records that a reader of ``topic`` is given.

    Of raw all of them, since a fold makes a verdict of what cannot be read. Elsewhere that is left out, or, where
    trusted services alone write, it raises StartupError.
    """
    if topic.endswith(_JUDGED):
        return records
    readable = [record for record in records if record.unreadable_to is None]
    if len(readable) < len(records) and not topic.endswith(_PASSED_OVER):
        strange = next(record.offset for record in records if record.unreadable_to is not None)
        raise StartupError(
            f"{topic} partition {partition} offset {strange} holds bytes that are no records",
            "find out who else writes to that topic",
        )
    return readable
