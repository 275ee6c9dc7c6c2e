"""A round of emission: what is due is drawn once, in order, as it stands then, and the entry follows at its end."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.count.emission import Emission
from agents.core.count.fold import AggregateFold
from agents.core.count.state import StateError
from agents.core.shared.joins import payload_of
from schemas.deciding import Deciding
from schemas.limits import DAY_MS, HOUR_MS
from schemas.times import instant
from schemas.wire.clean import CLEAN_VERSION, CleanChunk, Shape
from schemas.wire.columns import column

NOON = 1_793_534_400_000
"""2026-11-01T12:00:00Z."""
SHAPES = [Shape("chat.created", ()), Shape("space.created", ())]
DECIDING = Deciding()


def chunk(at: int, events: list[tuple[str, int, int]], closing: int) -> CleanChunk:
    """Of raw offset ``at`` alone: (company, shape, time) of each event; ``closing`` is the watermark after it."""
    companies = sorted({company for company, _, _ in events})
    before = column([-1] * len(events))
    return CleanChunk(
        CLEAN_VERSION, at, at, closing, closing, "d", 0, companies, SHAPES, [b"u" * 16], [b"s" * 16],
        column([at] * len(events)), column(time for _, _, time in events), before,
        column(companies.index(company) for company, _, _ in events), column(shape for _, shape, _ in events),
        column([0] * len(events)), column([0] * len(events)),
    )  # fmt: skip


class Partition:
    """A fold with its emission; chunks are one raw record each."""

    def __init__(self) -> None:
        self.fold = AggregateFold(DECIDING, 0)
        self.emission = Emission(self.fold)
        self.at = 0

    def take(self, *events: tuple[str, int, int], closing: int = NOON) -> None:
        for _ in self.fold.fold([(self.at, chunk(self.at, [*events], closing))]):
            pass
        self.at += 1

    def drawn(self, limit: int = 10**9) -> list[tuple[str, dict[str, object]]]:
        """The rest of the round."""
        found = []
        while self.emission.under_way:
            part = self.emission.draw(limit)
            assert len(part) <= limit
            found += [(key.decode(), json.loads(value)) for key, value in part]
        return found

    def round(self) -> dict[str, dict[str, object]]:
        self.emission.begin()
        found = self.drawn()
        assert len({key for key, _ in found}) == len(found)
        self.emission.finish(0)
        return dict(found)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["acme", "beta"]), st.integers(0, 1), st.sampled_from([NOON, NOON - HOUR_MS])),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=4), st.integers(1, 9))
def test_in_whatever_portions_it_is_drawn_a_round_tells_the_same_in_the_same_order(
    records: list[list[tuple[str, int, int]]], limit: int
) -> None:
    one, other = Partition(), Partition()
    for events in records:
        one.take(*events)
        other.take(*events)
    for each in (one, other):
        assert each.emission.begin()
    assert one.drawn() == other.drawn(limit)
    assert not one.emission.begin()
    assert one.drawn() == []


def test_figures_are_drawn_in_the_order_in_which_they_changed() -> None:
    partition = Partition()
    partition.take(("beta", 0, NOON))
    partition.take(("acme", 0, NOON))
    partition.emission.begin()
    hours = [key for key, _ in partition.drawn() if "|chats_created|PT1H|" in key]
    assert [key.split("|")[0] for key in hours] == ["beta", "acme"]


def test_a_figure_that_changes_while_a_round_is_drawn_is_told_as_it_is_then_and_not_again() -> None:
    partition = Partition()
    partition.take(("acme", 0, NOON), ("beta", 0, NOON))
    partition.emission.begin()
    ((first, told),) = [(key.decode(), json.loads(value)) for key, value in partition.emission.draw(1)]
    assert told["value"] == 1
    partition.take(("acme", 0, NOON), ("beta", 0, NOON))
    rest = dict(partition.drawn())
    assert first not in rest
    assert {each["value"] for key, each in rest.items() if "|chats_created|" in key} == {2}
    later = partition.round()
    assert {key: each["value"] for key, each in later.items()} == {first: 2}
    assert partition.round() == {}


def test_the_entry_moves_on_to_where_the_round_began() -> None:
    partition = Partition()
    partition.take(("acme", 0, NOON))
    partition.emission.begin()
    partition.take(("acme", 0, NOON), closing=NOON + 7)
    partition.drawn()
    entry = partition.fold.entry
    assert (entry.emitted_fence, entry.emitted_closing_watermark) == (-1, -1)
    write = partition.emission.finish(12)
    assert (entry.emitted_fence, entry.emitted_event_watermark, entry.emitted_closing_watermark) == (0, NOON, NOON)
    assert (entry.fence, entry.sink_next) == (1, 12)
    assert write.value is not None
    assert msgspec.msgpack.decode(payload_of(write.value))[:8] == [1, NOON + 7, NOON + 7, 2, 0, NOON, NOON, 12]
    partition.round()
    assert (entry.emitted_fence, entry.sink_next) == (1, 12)


def test_a_window_is_told_again_when_it_closes_and_then_no_more() -> None:
    partition = Partition()
    partition.take(("acme", 0, NOON))
    name = f"acme|chats_created|PT1H|{instant(NOON)}|"
    assert partition.round()[name]["status"] == "provisional"
    closes = NOON + HOUR_MS + DECIDING.grace_hour
    partition.take(closing=closes - 1)
    assert name not in partition.round()
    partition.take(closing=closes)
    told = partition.round()[name]
    assert (told["status"], told["revision"], told["watermark"]) == ("final", 1, instant(closes))
    partition.take(closing=closes + DAY_MS)
    assert name not in partition.round()


def test_a_sliding_window_is_told_from_its_last_day_on() -> None:
    partition = Partition()
    partition.take(("acme", 0, NOON))
    ends = {key: told["window"] for key, told in partition.round().items() if "|wau|" in key}
    assert [window["end"] for window in ends.values()] == ["2026-11-02T00:00:00Z"]  # type: ignore[index]
    midnight = NOON + DAY_MS // 2
    partition.take(closing=midnight - 1)
    assert not any("|wau|" in key for key in partition.round())
    partition.take(closing=midnight)
    assert [key for key in partition.round() if "|wau|" in key] == ["acme|wau|P7D|2026-10-27T00:00:00Z|"]


def test_a_sliding_window_of_a_day_to_come_waits_for_that_day() -> None:
    partition = Partition()
    tomorrow = NOON + DAY_MS // 2
    partition.take(("acme", 0, tomorrow), closing=tomorrow - 1)
    name = "acme|wau|P7D|2026-10-27T00:00:00Z|"
    assert partition.emission.again(name) is None
    told = partition.round()
    assert "acme|dau|P1D|2026-11-02T00:00:00Z|" in told
    assert name not in told
    partition.take(closing=tomorrow)
    assert partition.round()[name]["value"] == 1


def test_what_was_found_in_the_sink_is_told_as_it_stands_and_counts_as_told() -> None:
    partition = Partition()
    partition.take(("acme", 0, NOON))
    name = f"acme|chats_created|PT1H|{instant(NOON)}|"
    again = partition.emission.again(name)
    assert again is not None
    assert json.loads(again[1])["value"] == 1
    assert name not in partition.round()
    for absent in (f"acme|chats_created|PT1H|{instant(NOON + HOUR_MS)}|", f"beta|dau|P1D|{instant(NOON)}|"):
        assert partition.emission.again(absent) is None
    for wrong in ("", "acme", "acme|dau|P2D|x|", f"acme|dau|P1D|{instant(NOON)}"):
        with pytest.raises(StateError):
            partition.emission.again(wrong)
