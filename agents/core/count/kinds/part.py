"""What the second fold asks of each kind of figures."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from agents.core.count.batches import Slice
from agents.core.count.corrections import LateChanges
from agents.core.count.figure import Figure
from agents.core.count.plan import ShapePlan
from schemas.wire.clean import CleanChunk

__all__ = ["Changes", "KindPart", "Stretch"]


class Stretch(NamedTuple):
    """Events of a chunk that are folded at once; ``begins`` says where the measures of each event begin."""

    chunk: CleanChunk
    plans: Sequence[ShapePlan]
    part: Slice
    begins: Sequence[int]


class Changes:
    """What was done to figures since the last state batch."""

    __slots__ = ("late", "touched", "written")

    def __init__(self) -> None:
        self.touched: dict[Figure, None] = {}
        """To be written, and emitted where their revision is new."""
        self.written: dict[Figure, None] = {}
        """To be written alone: made of what lay ahead."""
        self.late = LateChanges()

    @property
    def rows(self) -> int:
        """Keys of the state."""
        return len(self.touched) + len(self.written)


class KindPart(Protocol):
    """The figures of one kind, or of some that are alike, with what the state holds of them beside the figures.

    Whatever it holds is a function of the log up to the fence, whichever way the log was cut.
    """

    @property
    def rows(self) -> int:
        """Keys touched since :meth:`writes`."""
        ...

    def fold(self, stretch: Stretch) -> None:
        """Fold the events of its kind; changes of figures go to :class:`Changes`, late ones too."""
        ...

    def writes(self, fence: int) -> Iterable[tuple[bytes, bytes]]:
        """Every key touched since the last call, with its value at the fence."""
        ...
