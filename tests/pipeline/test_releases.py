"""Who folds what, over every way in which partitions can stand between digests; and that nobody waits for ever."""

import random
from collections.abc import Sequence

import pytest

from pipeline.worker.releases import Stand, Turn, decide, lies

OLD, NEW, NEXT = "old", "new", "next"


def mine(partition: int = 0, own: str = NEW) -> Stand:
    return Stand(partition, own)


def coming(left: int, partition: int = 0, past: tuple[str, ...] = ()) -> Stand:
    return Stand(partition, OLD, past, left)


def past(partition: int = 0, left: int | None = None) -> Stand:
    return Stand(partition, NEXT, (OLD, NEW), left)


def foreign(partition: int = 0) -> Stand:
    return Stand(partition, OLD)


def nobody(partition: int = 0, left: int | None = None) -> Stand:
    return Stand(partition, None, (), left)


@pytest.mark.parametrize(
    ("stands", "turn"),
    [
        ([nobody(), nobody(1)], Turn.JOIN),
        ([mine(), mine(1)], Turn.JOIN),
        ([mine(), nobody(1)], Turn.JOIN),
        ([coming(0), coming(0, 1)], Turn.JOIN),
        ([coming(0), nobody(1, left=0)], Turn.JOIN),
        ([mine(), coming(0, 1)], Turn.JOIN),
        ([mine(), past(1)], Turn.JOIN),
        ([coming(0), past(1)], Turn.JOIN),
        ([coming(3), coming(0, 1)], Turn.WAIT),
        ([coming(3), mine(1)], Turn.WAIT),
        ([coming(0), nobody(1, left=2)], Turn.WAIT),
        ([past(0, left=4), past(1, left=5)], Turn.WAIT),
        ([past(0, left=4), mine(1)], Turn.JOIN),
        ([past(0, left=4), coming(0, 1)], Turn.WAIT),
        ([past(0), coming(7, 1)], Turn.WAIT),
        ([foreign(), foreign(1)], Turn.REFUSED),
        ([foreign(), coming(0, 1)], Turn.REFUSED),
        ([foreign(), nobody(1)], Turn.REFUSED),
        ([mine(), foreign(1)], Turn.REFUSED),
        ([coming(0), nobody(1)], Turn.REFUSED),
        ([past(), past(1)], Turn.REFUSED),
        ([Stand(0, NEXT, ("",)), mine(1)], Turn.JOIN),
    ],
)
def test_what_a_worker_does_at_its_start(stands: list[Stand], turn: Turn) -> None:
    for given in (stands, stands[::-1]):
        assert decide(NEW, given).turn is turn


def test_it_names_what_refuses_and_what_is_left() -> None:
    assert decide(NEW, [coming(0), foreign(1)]).foreign == foreign(1)
    assert decide(NEW, [coming(0), nobody(1)]).foreign == Stand(1, OLD)
    assert decide(NEW, [coming(2), coming(0, 1), coming(5, 2)]).waiting == (coming(2), coming(5, 2))
    assert decide(NEW, [past()]).foreign == past()


@pytest.mark.parametrize(
    ("stand", "turn"),
    [
        (mine(), Turn.JOIN),
        (nobody(), Turn.JOIN),
        (coming(0), Turn.JOIN),
        (past(), None),
        (past(left=3), None),
        (coming(3), Turn.WAIT),
        (foreign(), Turn.REFUSED),
    ],
)
def test_what_it_does_with_a_partition_that_it_was_assigned(stand: Stand, turn: Turn | None) -> None:
    assert lies(NEW, stand) is turn


class Log:
    """One partition: events and, as text, control records; ``at`` is how far it is folded."""

    def __init__(self, first: str, records: Sequence[str | None]) -> None:
        self.records = [*records]
        self.at = 0
        self.digests = [first]
        self.folded_by: list[str] = []

    def stand(self, partition: int, own: str) -> Stand:
        left = None
        if self.digests[-1] != own:
            ahead = self.records[self.at :]
            left = ahead[: ahead.index(own)].count(None) if own in ahead else None
        return Stand(partition, self.digests[-1], tuple(self.digests[:-1]), left)

    def fold(self, own: str) -> None:
        """As an owner that was assigned it: up to the record that ends its own stretch, or nothing."""
        if self.digests[-1] != own:
            ahead = self.records[self.at :]
            if own not in ahead or None in ahead[: ahead.index(own)]:
                return
            self._take(ahead.index(own) + 1)
        while self.at < len(self.records) and self.digests[-1] == own:
            if self.records[self.at] is None:
                self.folded_by.append(own)
            self._take(1)

    def _take(self, count: int) -> None:
        for record in self.records[self.at : self.at + count]:
            if record is not None:
                self.digests.append(record)
        self.at += count

    @property
    def wanted(self) -> list[str]:
        digests, found = [self.digests[0]], []
        for record in self.records:
            if record is None:
                found.append(digests[-1])
            else:
                digests.append(record)
        return found


@pytest.mark.parametrize("seed", range(400))
def test_whoever_is_started_again_and_again_folds_everything_under_its_own_digest(seed: int) -> None:
    """Releases back and forth, partitions anywhere between them: some worker may always go on, and none does wrong."""
    choose = random.Random(seed)
    chain = [OLD]
    for _ in range(choose.randint(1, 4)):
        chain.append(choose.choice([each for each in (OLD, NEW, NEXT) if each != chain[-1]]))
    logs = []
    for _ in range(choose.randint(1, 4)):
        records: list[str | None] = []
        for announced in chain[1:]:
            records += [None] * choose.choice([0, 0, 1, 3])
            records.append(announced)
        logs.append(Log(chain[0], records + [None] * choose.choice([0, 2])))
        for _ in range(choose.randint(0, 3)):  # somewhere on the way
            logs[-1].fold(logs[-1].digests[-1])
    for _ in range(60):
        own = choose.choice([OLD, NEW, NEXT])
        stands = [log.stand(number, own) for number, log in enumerate(logs)]
        if decide(own, stands).turn is Turn.JOIN:
            for log in choose.sample(logs, choose.randint(1, len(logs))):
                log.fold(own)
    for log in logs:
        assert log.at == len(log.records)
        assert log.folded_by == log.wanted
