"""The page on speed says what was measured, and nothing of a system that was wrong or left out."""

from typing import Any
from xml.etree import ElementTree

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
            row("Footfall", "exact", [2.0, 4.0, 3.0]),
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
    assert cells["Footfall", "exact"] == ["10,000", "2,000", "1,000 to 3,000", "3.00", "333,333", "3.00", "1"]
    assert cells["Kafka Streams", "exactly_once_v2"][5] == "1.00"
    assert cells["Bytewax", "at-least-once"] == ["", "12 figures differ", "", "", "", "", ""]
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
