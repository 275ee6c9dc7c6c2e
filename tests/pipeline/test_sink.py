"""A reader of the sink keeps, for each id, the highest revision."""

import json

from pipeline.kafka.reader import StoredRecord
from pipeline.proof.sink import SinkView, own_columns
from schemas.catalogue.catalogue import BUILT_IN
from tests.meters import METERS


def figure(metric: str, size: str, value: int, revision: int, end: str = "2026-11-02T00:00:00Z", kind: str = "count"):
    identity = f"acme|{metric}|{size}|{end}|"
    body = {
        "id": identity,
        "company": "acme",
        "metric": metric,
        "kind": kind,
        "window": {"size": size, "end": end},
        "value": value,
        "revision": revision,
    }
    return StoredRecord(0, revision, 0, identity.encode(), json.dumps(body).encode(), ())


def test_the_highest_revision_is_the_truth() -> None:
    view = SinkView()
    view.apply([figure("prompts", "P1M", 5, 12), figure("prompts", "P1M", 4, 10)])
    assert view.by_company()["acme"]["prompts"] == 5


def test_counts_are_summed_and_active_users_are_of_the_last_day() -> None:
    view = SinkView()
    view.apply(
        [
            figure("prompts", "P1M", 5, 1, "2026-11-01T00:00:00Z"),
            figure("prompts", "P1M", 6, 2, "2026-12-01T00:00:00Z"),
            figure("dau", "P1D", 9, 3, "2026-11-03T00:00:00Z", "distinct"),
            figure("dau", "P1D", 7, 4, "2026-11-02T00:00:00Z", "distinct"),
        ]
    )
    assert view.by_company()["acme"]["prompts"] == 11
    assert view.by_company()["acme"]["DAU"] == 9


def test_what_is_no_figure_is_passed_over() -> None:
    view = SinkView()
    strange = [b"[", b"[]", b"{}", b'{"id": "a"}', b'{"id": [], "revision": 1}', b'{"id": "a", "revision": "1"}']
    view.apply([StoredRecord(0, 0, 0, None, value, ()) for value in (None, b"", *strange)])
    assert view.read == 8
    assert view.by_company() == {}


def test_metrics_of_ones_own_have_columns_of_their_own() -> None:
    columns = own_columns(METERS)
    assert columns["bytes uploaded"] == ("bytes_uploaded", "P1M")
    assert columns["private bytes"] == ("private_bytes", "P1D")
    assert "prompts" not in columns
    assert own_columns(BUILT_IN) == {}
    view = SinkView(None, columns)
    view.apply(
        [
            figure("storage", "P1M", 7, 1, "2026-12-01T00:00:00Z", "gauge"),
            figure("storage", "P1M", 9, 2, "2026-11-01T00:00:00Z", "gauge"),
            figure("bytes_uploaded", "P1M", 5, 3, "2026-11-01T00:00:00Z", "sum"),
            figure("bytes_uploaded", "P1M", 6, 4, "2026-12-01T00:00:00Z", "sum"),
            figure("call_duration", "P1M", 2, 5, "2026-11-01T00:00:00Z", "distribution"),
        ]
    )
    found = view.by_company()["acme"]
    assert (found["storage"], found["bytes uploaded"], found["call duration"]) == (7, 11, 2)
    assert [str(column.header) for column in view.table().columns] == ["company", *columns]


def test_of_the_latest_window_all_dimensions_are_added_up() -> None:
    view = SinkView(None, own_columns(METERS))
    for number, value in enumerate((3, 4)):
        record = figure("storage", "P1M", value, number, "2026-12-01T00:00:00Z", "gauge")
        told = json.loads(record.value or b"") | {"id": f"acme|storage|P1M|x|kind=k{number}"}
        view.apply([record._replace(value=json.dumps(told).encode())])
    assert view.by_company()["acme"]["storage"] == 7
