"""Sums, gauges and distributions by example and by law; that they equal the oracle is shown by random logs."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.count.kinds.bins import BEGINS, bin_of, quantile
from agents.core.count.kinds.detail import Bins
from agents.core.shared.joins import StateError, seal
from agents.core.shared.records import RawRecord
from schemas.catalogue.fields import MOST_INT
from schemas.catalogue.loading import read_catalogue
from schemas.deciding import Deciding
from schemas.limits import DAY_MS
from schemas.times import instant
from schemas.wire.aggregates import Aggregate
from tests.core.world import World
from tests.meters import METERS, METERS_TEXT

START = 1793491200000  # 2026-11-01
DECIDING = Deciding(catalogue=METERS, partitions=1)
HOUR = "2026-11-01T00:00:00Z"


class Log:
    """Raw records of one partition, each a list of (minutes after the start, source, type, data)."""

    def __init__(self, deciding: Deciding = DECIDING) -> None:
        self.world = World(deciding, 1)
        self._number = 0

    def put(self, *events: tuple[int, str, str, dict[str, Any]], now: int = 0) -> None:
        """One record; appended ``now`` minutes after the start, or when its latest event was."""
        told = []
        for minute, source, kind, data in events:
            self._number += 1
            told.append(
                {
                    "specversion": "1.0",
                    "id": f"{self._number}",
                    "source": source,
                    "type": kind,
                    "company": "acme",
                    "time": instant(START + minute * 60_000),
                    "data": data,
                }
            )
        log = self.world.raw[0]
        append_time = START + 60_000 * max([now, *(minute for minute, *_ in events)])
        log.append(RawRecord(len(log), append_time, b"acme", json.dumps(told).encode()))

    def figures(self, *, recover_each: bool = False) -> dict[str, dict[str, Any]]:
        self.world.anonymize(0, recover_each=recover_each)
        self.world.aggregate(0, recover_each=recover_each)
        found: dict[str, Any] = self.world.figures()
        for figure in found.values():
            Aggregate.model_validate(figure)
        return found


def upload(kind: str, size: int, visibility: str = "shared") -> dict[str, Any]:
    return {"kind": kind, "bytes": size, "visibility": visibility}


def call(duration: int, **more: Any) -> dict[str, Any]:
    return {"protocol": "sip", "duration": duration} | more


# ---- sums


def test_a_sum_adds_up_and_one_of_0_is_not_told() -> None:
    log = Log()
    log.put((0, "s", "file.uploaded", upload("a", 5)), (1, "s", "file.uploaded", upload("a", 7, "private")))
    log.put((2, "s", "file.uploaded", upload("b", 0)))
    figures = log.figures()
    figure = figures[f"acme|bytes_uploaded|PT1H|{HOUR}|kind=a"]
    assert (figure["value"], figure["kind"], figure["unit"], figure["revision"]) == (12, "sum", "By", 0)
    assert figures[f"acme|private_bytes|P1D|{HOUR}|"]["value"] == 7
    assert not any(name.startswith("acme|bytes_uploaded") and "kind=b" in name for name in figures)
    assert figures[f"acme|files_uploaded|PT1H|{HOUR}|kind=b,visibility=shared"]["value"] == 1


def test_what_adds_nothing_changes_nothing_but_makes_its_combination_known() -> None:
    log = Log(Deciding(catalogue=METERS, partitions=1, max_series=1))
    log.put((0, "s", "file.uploaded", upload("a", 0)))
    log.put((1, "s", "file.uploaded", upload("b", 4)))
    log.put((2, "s", "file.uploaded", upload("a", 3)))
    log.put((3, "s", "file.uploaded", upload("a", 0)))
    figures = log.figures(recover_each=True)
    assert figures[f"acme|bytes_uploaded|P1D|{HOUR}|kind=~other"]["value"] == 4
    figure = figures[f"acme|bytes_uploaded|P1D|{HOUR}|kind=a"]
    assert (figure["value"], figure["revision"] // 2) == (3, 2)


def test_a_sum_has_no_bound() -> None:
    log = Log()
    per_record = 500
    for record in range(20):
        events = [(record, f"s{record}", "file.uploaded", upload("a", MOST_INT)) for _ in range(per_record)]
        log.put(*events)
    fold = log.world.second_fold(0)
    log.world.anonymize(0)
    log.world.aggregate(0)
    figure = log.world.second_fold(0).figures.find(f"acme|bytes_uploaded|P1M|{HOUR}|kind=a")
    assert figure is not None
    figure.value *= 10**6  # as years of it would be
    name = b"f" + figure.id
    fold.restore([*log.world._joined("second", 0).items(), (name, seal(19, figure.state()))])
    again = fold.figures.find(figure.id.decode())
    assert again is not None
    assert again.value == 20 * per_record * MOST_INT * 10**6 > 2**64
    assert json.loads(again.record(0))["value"] == again.value


# ---- gauges


def test_a_gauge_sums_the_last_reading_of_each_source() -> None:
    log = Log()
    log.put((5, "s1", "file.uploaded", upload("a", 10)), (5, "s2#x", "file.uploaded", upload("a", 100)))
    log.put((9, "s1", "file.uploaded", upload("a", 3)))
    log.put((7, "s1", "file.uploaded", upload("a", 50)))  # an earlier reading, later in the log
    log.put((6, "s2#y", "file.uploaded", upload("a", 200)))  # the same source, another incarnation
    figure = log.figures()[f"acme|storage|P1D|{HOUR}|kind=a"]
    assert (figure["value"], figure["sources"], figure["kind"]) == (203, 2, "gauge")
    assert figure["revision"] // 2 == 3


def test_of_readings_of_one_time_the_later_in_the_log_holds() -> None:
    log = Log()
    log.put((5, "s", "file.uploaded", upload("a", 1)), (5, "s", "file.uploaded", upload("a", 2)))
    assert log.figures()[f"acme|storage|P1D|{HOUR}|kind=a"]["value"] == 2
    log.put((5, "s", "file.uploaded", upload("a", 0)))
    figure = log.figures()[f"acme|storage|P1D|{HOUR}|kind=a"]
    assert (figure["value"], figure["sources"]) == (0, 1)


def test_a_flag_is_a_gauge_of_0_or_1_and_an_absent_one_is_no_reading() -> None:
    log = Log()
    log.put((0, "s1", "call.ended", call(1, encrypted=True)), (0, "s2", "call.ended", call(1, encrypted=False)))
    log.put((1, "s3", "call.ended", call(1)))
    figure = log.figures()[f"acme|encrypted|PT1H|{HOUR}|"]
    assert (figure["value"], figure["sources"], figure["revision"] // 2) == (1, 2, 0)


def test_a_late_reading_of_0_is_a_correction_of_nothing() -> None:
    log = Log()
    log.put((0, "s1", "call.ended", call(1)))
    log.put((10 * 60, "s1", "call.ended", call(1)))  # closes the first hour
    log.put((1, "s1", "call.ended", call(1, encrypted=False)))
    figure = log.figures()[f"acme|encrypted|PT1H|{HOUR}|"]
    assert (figure["value"], figure["sources"], figure["status"]) == (0, 1, "corrected")
    told = [json.loads(each.value or b"") for each in log.world.corrections]
    assert [(each["old"], each["new"], each["difference"]) for each in told if each["metric"] == "encrypted"] == [
        (0, 0, 0)
    ]


def test_readings_past_a_bound_are_left_out_and_those_known_go_on() -> None:
    log = Log(Deciding(catalogue=METERS, partitions=1, max_company_series=2))
    log.put((0, "s1", "call.ended", call(1, encrypted=True)), (0, "s2", "call.ended", call(1, encrypted=True)))
    log.put((1, "s1", "call.ended", call(1, encrypted=False)))
    figures = log.figures(recover_each=True)
    day, hour = figures[f"acme|encrypted|P1D|{HOUR}|"], figures[f"acme|encrypted|PT1H|{HOUR}|"]
    assert ((hour["value"], hour["sources"]), (day["value"], day["sources"])) == ((0, 1), (0, 1))


# ---- distributions


def test_a_distribution_tells_its_bins_and_quantiles() -> None:
    log = Log()
    for minute, duration in enumerate((0, 40, 40, 100, 101, 5000)):
        log.put((minute, "s", "call.ended", call(duration)))
    figure = log.figures()[f"acme|call_duration|P1D|{HOUR}|protocol=sip"]
    assert (figure["value"], figure["sum"], figure["min"], figure["max"]) == (6, 5281, 0, 5000)
    assert [count for _, count in figure["bins"]] == [1, 2, 2, 1]
    assert figure["bins"][:3] == [[0, 1], [40, 2], [100, 2]]
    assert (figure["p50"], figure["p99"]) == (40, 5000)


READINGS = st.lists(st.integers(0, 200) | st.integers(0, MOST_INT), min_size=1, max_size=60)


@given(READINGS, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_bytes(readings: list[int], choose: Any) -> None:
    one, other = Bins(), Bins()
    shuffled = readings[:]
    choose.shuffle(shuffled)
    for reading in readings:
        one.add(reading)
    for reading in shuffled:
        other.add(reading)
    assert one.members() == other.members()


@given(READINGS, st.sampled_from([50, 95, 99]))
def test_a_quantile_is_within_one_percent(readings: list[int], percent: int) -> None:
    bins = Bins()
    for reading in readings:
        bins.add(reading)
    exact = sorted(readings)[-(-percent * len(readings) // 100) - 1]
    found = quantile(bins.counts, percent, bins.least, bins.most)
    assert abs(found - exact) * 100 <= exact


def test_the_bins_are_those_of_the_contract() -> None:
    assert BEGINS[:3] == [0, 1, 2]
    assert BEGINS[-1] > MOST_INT >= BEGINS[-2]
    for low, after in pairwise(BEGINS):
        assert after - low == max(1, low // 50)
        assert bin_of(low) == bin_of(after - 1) == BEGINS.index(low)


# ---- all of them


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_a_figure_that_expired_leaves_nothing_behind(seed: int) -> None:
    log = Log(Deciding(catalogue=METERS, partitions=1, lateness=DAY_MS))
    for minute in range(20):
        log.put(
            (minute, f"s{(seed + minute) % 5}", "file.uploaded", upload("a", minute)),
            (minute, f"s{minute % 3}", "call.ended", call(minute * seed % MOST_INT, encrypted=True)),
        )
    for day in range(100, 104):  # what expired is deleted with the chunks behind
        log.put((day * 24 * 60, "s", "chat.created", {}))
        log.figures(recover_each=seed % 2 == 0)
    fold = log.world.second_fold(0)
    kinds = {key[:1] for key, _ in log.world._joined("second", 0).items() if not fold.is_dead(key, _)}
    assert not kinds & {b"g", b"d"}
    assert not fold.gauges._windows
    last = dict(log.world.state["second", 0])
    assert not [key for key, value in last.items() if key[:1] in {b"g", b"d"} and value is not None]


def test_state_of_a_metric_that_is_gone_is_refused() -> None:
    log = Log()
    log.put((0, "s", "file.uploaded", upload("a", 5)))
    log.figures()
    log.world.deciding = Deciding(partitions=1)
    with pytest.raises(StateError, match="a metric that the catalogue does not know"):
        log.world.second_fold(0)


def test_a_retired_metric_counts_no_more_and_closes_as_it_stands() -> None:
    log = Log()
    log.put((0, "s", "file.uploaded", upload("a", 5)))
    log.figures()
    text = METERS_TEXT.replace('title = "bytes uploaded, by kind"', 'title = "t"\nretired = true')
    log.world.deciding = Deciding(catalogue=read_catalogue(text), partitions=1)
    log.put((1, "s", "file.uploaded", upload("a", 6)))
    log.put((3 * 24 * 60, "s", "chat.created", {}))
    figure = log.figures()[f"acme|bytes_uploaded|PT1H|{HOUR}|kind=a"]
    assert (figure["value"], figure["status"]) == (5, "final")
    assert log.figures()[f"acme|files_uploaded|PT1H|{HOUR}|kind=a,visibility=shared"]["value"] == 2


def test_events_of_a_retired_type_are_unknown() -> None:
    text = METERS_TEXT.replace('title = "A file was uploaded"', 'title = "t"\nretired = true')
    log = Log(Deciding(catalogue=read_catalogue(text), partitions=1))
    log.put((0, "s", "file.uploaded", upload("a", 5)))
    assert not log.figures()
    assert [each.reason.value for each in log.world.rejected] == ["unknown-type"]


@pytest.mark.parametrize("kind", [b"g", b"d"])
def test_a_figure_without_all_that_it_is_made_of_is_refused(kind: bytes) -> None:
    log = Log()
    log.put((0, "s1", "file.uploaded", upload("a", 5)), (0, "s1", "call.ended", call(5)))
    log.figures()
    rows = log.world.state["second", 0]
    lost = next(key for key, _ in rows if key[:1] == kind)
    log.world.state["second", 0] = [row for row in rows if row[0] != lost]
    with pytest.raises(StateError, match="without all that it is made of"):
        log.world.second_fold(0)
