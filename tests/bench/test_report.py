"""The page on speed says what was measured, and nothing of a system that was wrong or left out."""

from typing import Any
from xml.etree import ElementTree

from bench.growth import growth_chart, growth_page, sweeps
from bench.plan import plan
from bench.report import chart, newest, page


def row(name: str, guarantee: str, cpu: list[float], problem: str = "") -> dict[str, Any]:
    rates = [1000.0 * (number + 1) for number in range(len(cpu))]
    return {
        "name": name,
        "guarantee": guarantee,
        "events": 10_000,
        "rates": rates,
        "cpu": cpu,
        "rss": [1_000_000] * len(cpu),
        "problem": problem,
    }


def result(batch: int = 1, commit: str = "abc") -> dict[str, Any]:
    return {
        "date": "2026-11-25T19:00+00:00",
        "machine": "2 cores",
        "commit": commit,
        "workload": {"batch": batch, "events": 10_000, "companies": 10, "users": 100, "partitions": 4},
        "runs": 3,
        "rows": [
            row("Footfall", "exact", [2.0, 4.0, 3.0])
            | {"latency": [[0.1, 0.5, 0.9], [0.2, 0.4, 0.8], [0.3, 0.6, 1.0]], "changelog": 12.345},
            row("Kafka Streams", "exactly_once_v2", [9.0, 12.0, 8.0]),
            row("Bytewax", "at-least-once", [5.0], "12 figures differ"),
            row("Quix Streams", "exactly-once", [], "mvn is <not> on this machine"),
        ],
        "limits": {"client fetch doing nothing": 2.0},
    }


def test_medians_and_ratios_are_told_and_wrong_systems_have_none() -> None:
    lines = page([result()]).splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    cells = {(row[0], row[1]): row[2:] for row in table}
    assert cells["Footfall", "exact"] == [
        *("10,000", "2,000", "1,000 to 3,000", "3.00", "333,333", "3.00", "1"),
        *("0.20 / 0.50 / 0.90", "12.3"),
    ]
    assert cells["Kafka Streams", "exactly_once_v2"][5] == "1.00"
    assert cells["Bytewax", "at-least-once"] == ["", "12 figures differ", *[""] * 7]
    assert cells["client fetch doing nothing", "2.00"] == ["500,000"]


def test_the_chart_has_a_bar_for_each_system_that_has_a_speed() -> None:
    root = ElementTree.fromstring(chart(result()))
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if ", " in text][1:] == ["Footfall, exact", "Kafka Streams, exactly_once_v2"]
    bars = [
        float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect") if "rx" in each.attrib
    ]
    assert [round(bar / bars[0], 2) for bar in bars] == [1.0, 0.33]


def test_of_each_size_of_records_the_last_result_counts() -> None:
    found = newest([result(100, "old"), result(1, "one"), result(100, "new")])
    assert [(each["workload"]["batch"], each["commit"]) for each in found] == [(1, "one"), (100, "new")]


def growth() -> dict[str, Any]:
    rows = [
        {
            "sweep": sweep,
            "value": value,
            "workload": {"events": 10_000},
            "rate": 5000.0,
            "cpu": {"anonymize": 1.0, "aggregate": value / 1000},
            "rss": {"anonymize": 1_000_000, "aggregate": 2_000_000},
            "changelog": 20.0,
            "figures": 7,
            "differences": differences,
        }
        for sweep, value, differences in (("companies", 10, 0), ("companies", 1_000, 3), ("users", 10, -1))
    ]
    return {"date": "2026-11-25T19:00+00:00", "machine": "2 cores", "commit": "abc", "rows": rows}


def test_growth_is_told_in_a_table_for_each_sweep() -> None:
    assert sweeps(growth()) == ["companies", "users"]
    rows = [line for line in growth_page(growth()).splitlines() if line.startswith("| 1")]
    assert rows == [
        "| 10 | 10,000 | 5,000 | 1.00 | 0.01 | 20.0 | 3 | 7 equal |",
        "| 1,000 | 10,000 | 5,000 | 1.00 | 1.00 | 20.0 | 3 | 3 differ |",
        "| 10 | 10,000 | 5,000 | 1.00 | 0.01 | 20.0 | 3 | not compared |",
    ]


def test_a_curve_goes_through_its_points_from_left_to_right() -> None:
    root = ElementTree.fromstring(growth_chart(growth(), "companies"))
    first, second = (
        [tuple(map(float, point.split(","))) for point in each.attrib["points"].split()]
        for each in root.iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert first[0][0] < first[1][0]
    assert first[0][1] == first[1][1] == second[1][1]
    assert second[0][1] > second[1][1]


def test_the_plan_is_arithmetic_on_what_was_measured() -> None:
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in plan([result()], growth()).splitlines()[2:]]
    found = {what: much for what, much, _ in table}
    assert found["`anonymize` workers"] == found["`aggregate` workers"] == "20"
    assert found["partitions"] == "80"
    assert found["changelogs in"] == "200 MB/s"
    assert found["brokers"] == "15"
