"""Nothing of which the sink does not know the last word expires, whatever lateness is in force."""

from dataclasses import replace

from agents.core.count.fold import AggregateFold
from agents.core.shared.records import StateWrite
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.wire.columns import column

NOW = 1793527200000
LONG = Deciding()
SHORT = replace(LONG, lateness=20 * DAY_MS)
LATE = NOW - 29 * DAY_MS
HOUR = f"acme|chats_created|PT1H|{instant(LATE - LATE % HOUR_MS)}|".encode()


def chunk(offset: int, time: int, closing: int) -> CleanChunk:
    """One chat begun at ``time``, counted at raw ``offset``."""
    columns = map(column, ([offset], [time], [closing], [0], [0], [-1], [0]))
    return CleanChunk(
        CLEAN_VERSION,
        offset,
        offset,
        NOW,
        NOW,
        "d",
        0,
        ["acme"],
        [Shape("chat.created", ())],
        [],
        [bytes(16)],
        *columns,
    )


def folded(fold: AggregateFold, offset: int, time: int, closing: int = NOW) -> list[StateWrite]:
    return [write for part in fold.fold([(offset, chunk(offset, time, closing))]) for write in part.writes]


def emitted(fold: AggregateFold) -> None:
    """Everything up to here is in the sink."""
    entry = fold.entry
    entry.emitted_fence = entry.fence
    entry.emitted_event_watermark, entry.emitted_closing_watermark = entry.event_watermark, entry.closing_watermark


def test_a_late_figure_that_is_not_in_the_sink_yet_outlives_a_change_to_a_shorter_lateness() -> None:
    old = AggregateFold(LONG, 0)
    folded(old, 0, NOW, -1)
    emitted(old)
    state = {write.key: write.value for write in folded(old, 1, LATE)}
    new = AggregateFold(SHORT, 0)
    new.restore((key, value) for key, value in state.items() if value is not None)
    figure = new.figures.find(HOUR.decode())
    assert figure is not None
    assert figure in new.figures.dirty
    folded(new, 2, NOW)
    assert new.figures.find(HOUR.decode()) is figure
    emitted(new)
    folded(new, 3, NOW)
    assert new.figures.find(HOUR.decode()) is None


def test_once_it_is_in_the_sink_recovery_drops_it() -> None:
    old = AggregateFold(LONG, 0)
    folded(old, 0, NOW, -1)
    state = {write.key: write.value for write in folded(old, 1, LATE)}
    emitted(old)
    state |= {write.key: write.value for write in folded(old, 2, NOW)}
    new = AggregateFold(SHORT, 0)
    dropped = new.restore((key, value) for key, value in state.items() if value is not None)
    assert b"f" + HOUR in dropped
