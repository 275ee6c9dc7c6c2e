"""What the oracle remembers of a source, and of a subject's consent: plain sets for the whole log."""

from pipeline.proof.oracle.form import RawEvent
from schemas.limits import DAY_MS

__all__ = ["Seen", "Word"]


class Seen:
    """What was seen of one source since it was last forgotten."""

    def __init__(self) -> None:
        self.last_time = -1
        self.sequences: set[int] = set()
        self.intervals = 0
        self.ids: set[tuple[str, int]] = set()

    def has(self, event: RawEvent) -> bool:
        """Whether the event was seen."""
        if event.sequence is not None:
            return event.sequence in self.sequences
        day = event.time // DAY_MS
        return any((event.id, near) in self.ids for near in (day - 1, day, day + 1))

    def intervals_with(self, sequence: int) -> int:
        """How many stretches of numbers without a gap there are with one more number."""
        return self.intervals + 1 - (sequence - 1 in self.sequences) - (sequence + 1 in self.sequences)

    def add(self, event: RawEvent) -> None:
        """Remember an event that was not seen."""
        if event.sequence is not None:
            self.intervals = self.intervals_with(event.sequence)
            self.sequences.add(event.sequence)
        else:
            self.ids.add((event.id, event.time // DAY_MS))


class Word:
    """The consent of one subject in one scope; ``granted`` is None until somebody has spoken."""

    def __init__(self) -> None:
        self.granted: bool | None = None
        self.withdrawn_at = -1
        self.last_withdrawal: tuple[str, str] | None = None
